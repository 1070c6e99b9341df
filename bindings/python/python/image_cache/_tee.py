"""Reading a source and filling the cache at the same time."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ._errors import Error, FetchFailed, VerificationFailed
from ._files import CHUNK
from ._records import Outcome

if TYPE_CHECKING:
    from types import TracebackType

    from ._cache import Cache
    from ._files import FollowedFile
    from ._writer import Writer

LOG = logging.getLogger("image_cache")


def chunks(source: Any) -> Iterator[Any]:
    """The chunks of a source: a binary file, an iterable of chunks, or the bytes themselves."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return iter([source])
    if hasattr(source, "read"):
        return _chunks_of_file(source)
    if isinstance(source, str):
        raise TypeError("a source is a binary file or an iterable of bytes, not a str")
    return iter(source)


def _chunks_of_file(file: Any) -> Iterator[Any]:
    while (chunk := file.read(CHUNK)) != b"":
        if chunk is None:
            raise BlockingIOError("the source is a file that does not block, and has nothing to read now")
        yield chunk


class CachingReader(Iterator[Any]):
    """The chunks of a source, which fill the cache at the same time. See `Cache.caching_reader`.

    It withholds the last chunk until the image is verified: a reader of a wrong image gets an exception in its place. An exception of
    the source reaches the caller, and nothing is cached. If it is closed before its end, the image is not cached.
    """

    def __init__(self, source: Any, writer: Writer) -> None:
        self._writer = writer
        self._source = chunks(source)
        self._held: Any = None
        self._is_over = False
        self.outcome: Outcome | None = None
        """The outcome, after the end."""

    def __iter__(self) -> CachingReader:
        return self

    def __next__(self) -> Any:
        while not self._is_over:
            chunk = self._next_chunk()
            if chunk is None:
                break
            held, self._held = self._held, chunk
            if held is not None:
                return held
        held, self._held = self._held, None
        if held is None:
            raise StopIteration
        return held

    def _next_chunk(self) -> Any:
        """The next chunk that is not empty, after it was written; None after the verified end."""
        try:
            for chunk in self._source:
                # A source may use its buffer again while the chunk is withheld.
                chunk = chunk if isinstance(chunk, bytes) else bytes(memoryview(chunk))
                if chunk:
                    self._writer.write(chunk)
                    return chunk
            self._is_over = True
            self.outcome = self._writer.finish()
            return None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends reading; before the end nothing is cached. The source stays open."""
        self._is_over = True
        self._held = None
        self._writer.abort()

    def __enter__(self) -> CachingReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class FetchReader(Iterator[Any]):
    """The chunks of an image that is cached, or being fetched, or that it fetches. See `Cache.get_or_fetch`."""

    def __init__(
        self,
        cache: Cache,
        image_id: str,
        open_source: Callable[[], Any],
        expected: dict[str, Any],
    ) -> None:
        self._cache, self._image_id, self._open_source = cache, image_id, open_source
        self._expected = expected
        self.outcome: Outcome | None = None
        """The outcome, after the end."""
        self.route: str | None = None
        """From where it reads, after the first chunk: `cached`, `shared` (another reader's fetch), or `fetching`."""
        self._chunks = self._run()

    def __iter__(self) -> FetchReader:
        return self

    def __next__(self) -> Any:
        return next(self._chunks)

    def close(self) -> None:
        """Ends reading. If it is the reader that fetches, nothing is cached."""
        self._chunks.close()

    def __enter__(self) -> FetchReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> Generator[Any, None, None]:
        prefix = Prefix()
        file = self._cache.follow(self._image_id)
        if file is not None:
            self.route = "cached" if file.is_cached else "shared"
            try:
                yield from self._follow(file, prefix)
                return
            except FollowingFailed as failed:
                LOG.info("image %s: %s; it is read from the source", self._image_id, failed.__cause__)
        self.route = "fetching"
        yield from self._fetch(prefix)

    def _follow(self, file: FollowedFile, prefix: Prefix) -> Generator[Any, None, None]:
        with file:
            yield from follow(file, prefix)
        self.outcome = Outcome("already-cached")

    def _fetch(self, prefix: Prefix) -> Generator[Any, None, None]:
        source = self._open_source()
        try:
            with self._cache.caching_reader(self._image_id, source, **self._expected) as reader:
                yield from prefix.rest(self._image_id, reader)
                self.outcome = reader.outcome
        finally:
            if hasattr(source, "close"):
                source.close()


class FollowingFailed(Exception):
    """A reader cannot follow to the end, and may continue with its own source. The cause is the error."""


def follow(file: FollowedFile, prefix: Prefix) -> Generator[bytes, None, None]:
    """The chunks of a followed file. Bytes of a running fetch are added to the prefix; those of a cached image are verified.

    Raises:
        FollowingFailed: the reader may continue with a source.
    """
    while True:
        try:
            chunk = file.read(CHUNK)
        except VerificationFailed:
            # All readers of a fetch end alike.
            raise
        except (Error, OSError) as error:
            if file.is_cached and prefix.size > 0:
                raise
            raise FollowingFailed from error
        if not chunk:
            return
        prefix.add(chunk, is_hashed=not file.is_cached)
        yield chunk


class Prefix:
    """The bytes that a reader has already returned, to continue after them with another source."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = hashlib.md5(usedforsecurity=False)

    def add(self, chunk: bytes, *, is_hashed: bool) -> None:
        """These bytes are returned."""
        self.size += len(chunk)
        if is_hashed:
            self._digest.update(chunk)

    def rest(self, image_id: str, source: Iterable[Any]) -> Generator[Any, None, None]:
        """The chunks of the source without the prefix, which must be the same.

        Raises:
            FetchFailed: the source begins with other bytes.
        """
        left, digest = self.size, hashlib.md5(usedforsecurity=False)
        for chunk in source:
            if left > 0:
                known = chunk[:left]
                digest.update(known)
                left -= len(known)
                chunk = chunk[len(known) :]
                if left == 0 and digest.digest() != self._digest.digest():
                    raise self._differs(image_id)
            if chunk:
                yield chunk
        if left > 0:
            raise self._differs(image_id)

    def _differs(self, image_id: str) -> FetchFailed:
        return FetchFailed(
            f"image {image_id}: its fetch was interrupted, and the source returned other bytes than that fetch; read it again",
            image_id=image_id,
        )

