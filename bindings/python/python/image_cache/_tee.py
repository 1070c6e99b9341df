"""Reading a source and filling the cache at the same time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

from ._errors import Error, VerificationFailed
from ._files import CHUNK
from ._prefix import FollowingFailed, Prefix
from ._records import Outcome

if TYPE_CHECKING:
    from types import TracebackType

    from ._cache import Cache
    from ._files import FollowedFile
    from ._writer import Writer


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

    def __init__(self, writer: Writer, open_source: Callable[[], Any]) -> None:
        self._writer = writer
        try:
            self._source = chunks(open_source())
        except BaseException:
            writer.abort()
            raise
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
        prefix = Prefix(self._image_id)
        while (file := self._elsewhere(prefix)) is not None:
            self.route = "cached" if file.is_cached else "shared"
            try:
                yield from prefix.rest(follow(file, prefix))
                self.outcome = Outcome("already-cached")
                return
            except FollowingFailed as failed:
                prefix.note_failure(failed)
            finally:
                file.close()
        self.route = "fetching"
        yield from self._fetch(prefix)

    def _elsewhere(self, prefix: Prefix) -> FollowedFile | None:
        """The image from the cache or a running fetch; None if this reader is to fetch it with its writer."""
        file = self._cache.follow(self._image_id) if prefix.may_follow else None
        if file is None:
            self._writer = self._cache.begin(self._image_id, **self._expected)
            file = following(self._cache, self._writer) if prefix.may_follow else None
        return file

    def _fetch(self, prefix: Prefix) -> Generator[Any, None, None]:
        source = None

        def open_source() -> Any:
            nonlocal source
            source = self._open_source()
            return source

        try:
            # It is the last source.
            prefix.is_verified = True
            with CachingReader(self._writer, open_source) as reader:
                yield from prefix.rest(reader)
                self.outcome = reader.outcome
        finally:
            if hasattr(source, "close"):
                source.close()


def following(cache: Cache, writer: Writer) -> FollowedFile | None:
    """The image from elsewhere, if this writer does not cache it because it is cached or being cached; then the writer is undone."""
    if writer.bypass is None or writer.bypass.kind not in ("already-cached", "being-cached"):
        return None
    file = cache.follow(writer.name)
    if file is not None:
        writer.abort()
    return file


def follow(file: FollowedFile, prefix: Prefix) -> Generator[bytes, None, None]:
    """The chunks of a followed file.

    Raises:
        FollowingFailed: the reader may continue with another source.
    """
    prefix.is_verified = file.is_cached
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
        yield chunk
