"""The options of Glance, and the caches that are open with them."""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Mapping
from typing import Any

from .. import _blocking
from .._cache import Cache

OPTIONS = ("dir", "driver", "max_size", "stall_time", "sqlite_db")
"""The options that are Glance's, without `image_cache_`."""

_caches: weakref.WeakValueDictionary[tuple[Any, ...], Cache] = weakref.WeakValueDictionary()


def shared(options: dict[str, Any]) -> Cache:
    """The cache of this process with these options."""
    key = tuple(sorted((name, str(value)) for name, value in options.items()))
    cache = _caches.get(key)
    if cache is None:
        cache = _caches[key] = _blocking.run(lambda: Cache(options["dir"], **_without_dir(options)))
    return cache


def _without_dir(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "dir"}


def registered(conf: Any) -> Any:
    """The configuration, in which Glance's options are known."""
    if isinstance(conf, Mapping):
        return conf
    from oslo_config import cfg

    conf = cfg.CONF if conf is None else conf
    for definition in _definitions(cfg):
        if not _is_known(conf, definition.name):
            conf.register_opt(definition)
    return conf


def _is_known(conf: Any, name: str) -> bool:
    # Glance's own definitions come first: another definition of the same name would be an error when Glance registers its own.
    for module in (None, "glance.image_cache", "glance.image_cache.drivers.sqlite"):
        try:
            if module is not None:
                importlib.import_module(module)
            getattr(conf, name)
            return True
        except (AttributeError, ImportError):
            pass
    return False


def _definitions(cfg: Any) -> list[Any]:
    return [
        cfg.StrOpt("image_cache_dir", help="Directory of the image cache"),
        cfg.StrOpt("image_cache_driver", default="sqlite", help="Driver of the image cache"),
        cfg.IntOpt("image_cache_max_size", default=10 << 30, min=0, help="Bytes above which a prune evicts"),
        cfg.IntOpt(
            "image_cache_stall_time",
            default=86400,
            min=0,
            help="Seconds after which an incomplete file is stalled",
        ),
        cfg.StrOpt("image_cache_sqlite_db", default="cache.db", help="Database of the driver sqlite"),
    ]


def option(conf: Any, name: str) -> Any:
    """The value of an option of Glance, without `image_cache_`; None if it is not set."""
    name = f"image_cache_{name}"
    return conf.get(name) if isinstance(conf, Mapping) else getattr(conf, name)


def own_url(conf: Any) -> str | None:
    """The URL of this node, `worker_self_reference_url`; None if it is not set or not known."""
    name = "worker_self_reference_url"
    return conf.get(name) if isinstance(conf, Mapping) else getattr(conf, name, None)
