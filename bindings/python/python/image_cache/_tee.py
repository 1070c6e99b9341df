"""Reading a source and filling the cache at the same time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

from ._check import Check
from ._errors import DEADLOCK, Error, VerificationFailed
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
        # Once for each chunk, so it is not looked up again. The next write, or the end of the writer, ends it.
        self._begin_source_read = writer._writer.begin_source_read
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
            self._begin_source_read()
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
        while True:
            file, writer = elsewhere(self._cache, prefix, self._expected)
            if file is None:
                break
            self.route = "cached" if file.is_cached else "shared"
            try:
                yield from prefix.rest(follow(file, prefix, self._expected))
                self.outcome = Outcome("already-cached")
                return
            except FollowingFailed as failed:
                prefix.note_failure(failed)
            finally:
                file.close()
        self.route = "fetching"
        yield from self._fetch(writer, prefix)

    def _fetch(self, writer: Writer, prefix: Prefix) -> Generator[Any, None, None]:
        source = None

        def open_source() -> Any:
            nonlocal source
            with writer.reading_source():
                source = self._open_source()
            return source

        try:
            # It is the last source.
            prefix.is_verified = True
            with CachingReader(writer, open_source) as reader:
                yield from prefix.rest(reader)
                self.outcome = reader.outcome
        finally:
            if hasattr(source, "close"):
                source.close()


def elsewhere(
    cache: Cache, prefix: Prefix, expected: dict[str, Any]
) -> tuple[FollowedFile, None] | tuple[None, Writer]:
    """The image from the cache or a running fetch; or the writer with which the reader is to fetch it."""
    if prefix.may_follow:
        file = cache.follow(prefix.image_id)
        if file is not None and _is_expected(cache, file, expected):
            return file, None
    writer = cache.begin(prefix.image_id, **expected)
    file = following(cache, writer) if prefix.may_follow else None
    if file is None:
        return None, writer
    if _is_expected(cache, file, expected):
        return file, None
    return None, cache.begin(prefix.image_id, **expected)


def _is_expected(cache: Cache, file: FollowedFile, expected: dict[str, Any]) -> bool:
    """Whether the records say that a cached image is the expected one; closes another one. A running fetch is not known yet."""
    if not file.is_cached:
        return True
    size, md5 = expected["size"], expected.get("md5")
    agrees = size is None or size == file.image_size
    if agrees and md5:
        record = cache.cached_image(file.name)
        agrees = record is None or record.checksum in (None, md5.lower())
    if not agrees:
        file.close()
    return agrees


def following(cache: Cache, writer: Writer) -> FollowedFile | None:
    """The image from elsewhere, if this writer does not cache it because it is cached or being cached; then the writer is undone."""
    if writer.bypass is None or writer.bypass.kind not in ("already-cached", "being-cached"):
        return None
    file = cache.follow(writer.name)
    if file is not None:
        writer.abort()
    return file


def follow(
    file: FollowedFile, prefix: Prefix, expected: dict[str, Any]
) -> Generator[bytes, None, None]:
    """The chunks of a followed file. The last one is withheld until they are known to be the expected ones.

    Raises:
        FollowingFailed: the reader may continue with another source.
        VerificationFailed: the fetch ended with other bytes than this reader expects.
        FetchFailed: the reader is a part of the source of that fetch, so it would wait for itself.
    """
    prefix.is_verified = file.is_cached
    check = Check(file.name, {} if file.is_cached else expected)
    held = b""
    while chunk := _read(file, prefix):
        check.add(chunk)
        if held:
            yield held
        held = chunk
    check.finish()
    if held:
        yield held


def _read(file: FollowedFile, prefix: Prefix) -> bytes:
    try:
        return file.read(CHUNK)
    except VerificationFailed:
        # All readers of a fetch end alike.
        raise
    except (Error, OSError) as error:
        if (file.is_cached and prefix.size > 0) or getattr(error, "kind", None) == DEADLOCK:
            raise
        raise FollowingFailed from error
