"""The exceptions: those of Glance, where it is installed."""

from __future__ import annotations

from typing import Any

from .._errors import Error, VerificationFailed

try:
    from glance.common.exception import BadDriverConfiguration, GlanceException
except ImportError:  # outside of a Glance node

    class GlanceException(Exception):  # type: ignore[no-redef]
        """Stands for the exception of that name where Glance is not installed."""

    class BadDriverConfiguration(GlanceException):  # type: ignore[no-redef]
        """Stands for the exception of that name where Glance is not installed."""


class WrongImage(GlanceException, VerificationFailed):
    """The bytes are not the expected ones; nothing was cached."""

    def __init__(self, error: Error) -> None:
        Exception.__init__(self, str(error))
        self.message = self.msg = str(error)
        self.__dict__.update({k: v for k, v in vars(error).items() if k != "message"})


def bad_configuration(driver: Any, error: Error) -> Exception:
    if BadDriverConfiguration.__module__ == __name__:
        return BadDriverConfiguration(str(error))
    return BadDriverConfiguration(driver_name=driver, reason=str(error))


def not_cached(image_id: Any) -> FileNotFoundError:
    return FileNotFoundError(f"image {image_id} is not cached")
