"""The options of a cache, from keyword arguments."""

from __future__ import annotations

import datetime
import difflib
import os
from typing import Any

from . import _native
from ._errors import ConfigError

PREFIX = "image_cache_"


def texts(options: dict[str, Any]) -> list[tuple[str, str]]:
    """The options by their names in a configuration file, and their values as text. One that is None is not set."""
    known = _native.option_names()
    faults, given = [], []
    for name, value in options.items():
        full = name if name.startswith(PREFIX) else PREFIX + name
        if full not in known:
            faults.append(_unknown(name, full, known))
        elif value is not None:
            given.append((full, _text(name, value, faults)))
    if faults:
        raise ConfigError("the options have faults: " + "; ".join(faults), faults=faults)
    return given


def _unknown(name: str, full: str, known: list[str]) -> str:
    close = difflib.get_close_matches(full, known, 1)
    advice = f"did you mean {close[0].removeprefix(PREFIX)}?" if close else "see the page Configuration"
    return f"{name} is not an option; {advice}"


def _text(name: str, value: Any, faults: list[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.timedelta):
        value = value.total_seconds()
    if isinstance(value, float):
        return f"{round(value * 1000)}ms"
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    faults.append(f"{name} is a {type(value).__name__}; accepted: a text, a number, a timedelta or a path")
    return ""
