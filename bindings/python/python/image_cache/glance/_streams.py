"""Streams of images: into the cache, or from the fetch of another reader."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable
from typing import Any

from .. import _blocking
from .._errors import VerificationFailed
from .._files import FollowedFile
from .._prefix import FollowingFailed, Prefix
from .._tee import CachingReader, follow
from .._writer import Writer
from ._exceptions import WrongImage

LOG = logging.getLogger(__name__)


def tee(image_iter: Iterable[Any], writer: Writer) -> Generator[Any, None, None]:
    """The chunks, which fill the cache."""
    with CachingReader(writer, lambda: image_iter) as reader:
        try:
            yield from reader
        except VerificationFailed as error:
            raise WrongImage(error) from error


def tee_into_other(image_id: Any, image_iter: Iterable[Any], file: Any) -> Generator[Any, None, None]:
    """The same with the file of another driver, which may fail: the chunks go on."""
    is_written = True
    for chunk in image_iter:
        try:
            if is_written:
                file.write(chunk)
        except OSError:
            LOG.exception("image %s: the cache failed; it is served uncached", image_id)
            is_written = False
        yield chunk


def follow_then_tee(
    file: FollowedFile, image_checksum: str | None, tee_own: Iterable[Any]
) -> Generator[Any, None, None]:
    """The chunks of a fetch of another reader; if that breaks off, those of the reader's own source."""
    prefix, over = Prefix(file.name), object()
    chunks = prefix.rest(follow(file, prefix, {"md5": image_checksum}))
    try:
        while (chunk := _blocking.run(next, chunks, over)) is not over:
            yield chunk
    except FollowingFailed as failed:
        prefix.note_failure(failed)
        prefix.is_verified = True
        yield from prefix.rest(tee_own)
    except WrongImage:
        raise
    except VerificationFailed as error:
        raise WrongImage(error) from error
    finally:
        file.close()
