"""What Glance's code asks of the driver."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .. import _blocking
from .._cache import Cache
from .._errors import ConfigError, Error, InvalidImageId
from .._files import ImageFile
from .._writer import Writer
from ._configuration import OPTIONS, option, own_url, shared
from ._exceptions import bad_configuration, not_cached

LOG = logging.getLogger(__name__)


class Driver:
    """What Glance's code asks of `ImageCache.driver`. The records are kept by the driver of this cache that the options name."""

    def __init__(self, conf: Any, **options: Any) -> None:
        self.conf = conf
        self._options = options
        self._opened: tuple[Any, Cache] | None = None

    def configure(self) -> None:
        """Opens the cache."""
        try:
            driver = self.cache.driver()
        except Error as error:
            raise bad_configuration(option(self.conf, "driver"), error) from error
        if driver.configured is not None:
            LOG.warning(
                "the driver %s of the image cache cannot be used, and sqlite replaces it: %s",
                driver.configured,
                driver.reason,
            )

    @property
    def cache(self) -> Cache:
        """The cache with the options of this moment; all users of the same options in this process share it."""
        options = {name: option(self.conf, name) for name in OPTIONS}
        if options["dir"] is None:
            words = "image_cache_dir is not set; set it to the directory of the cache"
            raise ConfigError(words, faults=[words])
        options.update(self._options)
        if self._opened is None or self._opened[0] != options:
            self._opened = (options, shared(options))
        return self._opened[1]

    @property
    def base_dir(self) -> str:
        """The cache directory."""
        return str(option(self.conf, "dir"))

    def get_image_filepath(self, image_id: Any, cache_status: str = "active") -> str:
        """The path of the image's file: `active`, or in the folder of this name."""
        folder = self.base_dir if cache_status == "active" else os.path.join(self.base_dir, cache_status)
        return os.path.join(folder, str(image_id))

    def is_cached(self, image_id: Any) -> bool:
        return _answer(lambda: self.cache.is_cached(str(image_id)))

    def is_queued(self, image_id: Any) -> bool:
        return _answer(lambda: self.cache.is_queued(str(image_id)))

    def is_being_cached(self, image_id: Any) -> bool:
        return _answer(lambda: self.cache.is_being_cached(str(image_id)))

    def is_cacheable(self, image_id: Any) -> bool:
        return _answer(lambda: self.cache.is_cacheable(str(image_id)))

    def get_cache_size(self) -> int:
        return self.cache.cache_size().bytes

    def get_hit_count(self, image_id: Any) -> int:
        return self.cache.hit_count(str(image_id))

    def get_image_size(self, image_id: Any) -> int:
        size = self.cache.image_size(str(image_id))
        if size is None:
            raise not_cached(image_id)
        return size

    def get_cached_images(self) -> list[dict[str, Any]]:
        keys = ("image_id", "size", "hits", "last_accessed", "last_modified")
        images = _blocking.run(self.cache.cached_images)
        return [dict(zip(keys, image)) for image in images]

    def get_cached_nodes(self, image_id: Any) -> list[str]:
        """The URLs of the nodes that are known to have the image: this node's, since each node has its own records."""
        url = own_url(self.conf)
        return [url] if url and self.is_cached(image_id) else []

    def get_least_recently_accessed(self) -> tuple[str, int] | None:
        """Id and size of the image that was least recently used; None if there is none. The size of a file that is gone is 0."""
        images = _blocking.run(self.cache.cached_images)
        if not images:
            return None
        image_id = min(images, key=lambda image: image.last_accessed).image_id
        try:
            return image_id, os.stat(self.get_image_filepath(image_id)).st_size
        except OSError:
            return image_id, 0

    def delete_all_cached_images(self) -> int:
        return _blocking.run(self.cache.delete_all_cached_images)

    def delete_cached_image(self, image_id: Any) -> None:
        with suppress(InvalidImageId):
            self.cache.delete_cached_image(str(image_id))

    def delete_all_queued_images(self) -> int:
        return self.cache.delete_all_queued_images()

    def delete_queued_image(self, image_id: Any) -> None:
        with suppress(InvalidImageId):
            self.cache.delete_queued_image(str(image_id))

    def queue_image(self, image_id: Any) -> bool:
        return self.cache.queue_image(str(image_id))

    def get_queued_images(self) -> list[str]:
        return self.cache.queued_images()

    def prune(self) -> tuple[int, int]:
        pruned = _blocking.run(self.cache.prune)
        return pruned.images, pruned.bytes

    def clean(self, stall_time: float | None = None) -> None:
        _blocking.run(self.cache.clean, stall_time)

    def open_for_write(
        self, image_id: Any, image_checksum: str | None = None
    ) -> Writer:
        """A writer, for a `with` statement: the end of the statement publishes the image, an exception in it undoes it."""
        return self.cache.begin(str(image_id), md5=image_checksum or None)

    def open_for_read(self, image_id: Any) -> ImageFile:
        file = self.cache.open_for_read(str(image_id))
        if file is None:
            raise not_cached(image_id)
        return file


def _answer(ask: Callable[[], bool]) -> bool:
    """The answer; False if the cache fails, because Glance then serves the image from its store."""
    try:
        return ask()
    except Error as error:
        LOG.warning("the image cache cannot answer: %s", error)
        return False
