"""Streams of images: into the cache, or from the fetch of another reader."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from .. import _blocking
from .._errors import VerificationFailed
from .._files import FollowedFile
from .._tee import CachingReader, FollowingFailed, Prefix, follow
from .._writer import Writer
from ._exceptions import WrongImage

LOG = logging.getLogger(__name__)


def tee(image_iter: Iterable[Any], writer: Writer) -> Generator[Any, None, None]:
    """The chunks, which fill the cache."""
    reader = CachingReader(image_iter, writer)
    try:
        yield from reader
    except VerificationFailed as error:
        raise WrongImage(error) from error
    finally:
        reader.close()


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


class Following(Iterator[Any]):
    """The chunks of a fetch of another reader; if that breaks off, those of the reader's own source."""

    def __init__(
        self,
        file: FollowedFile,
        source: Iterable[Any],
        tee_source: Callable[[Iterable[Any]], Iterable[Any]],
    ) -> None:
        self._file, self._source, self._tee_source = file, source, tee_source
        self._chunks = self._run()

    def __next__(self) -> Any:
        return next(self._chunks)

    def close(self) -> None:
        """Ends reading, also of the source, which may not have been used."""
        self._chunks.close()
        if hasattr(self._source, "close"):
            self._source.close()

    def _run(self) -> Generator[Any, None, None]:
        prefix, over = Prefix(), object()
        image_id = self._file.name
        following = follow(self._file, prefix)
        try:
            while (chunk := _blocking.run(next, following, over)) is not over:
                yield chunk
        except FollowingFailed as failed:
            LOG.info("image %s: %s; it is read from the store", image_id, failed.__cause__)
            yield from prefix.rest(image_id, self._tee_source(self._source))
        except VerificationFailed as error:
            raise WrongImage(error) from error
        finally:
            following.close()
            self._file.close()
