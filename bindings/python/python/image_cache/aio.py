"""The cache for asyncio: no operation blocks the event loop.

>>> import asyncio, tempfile
>>> from image_cache.aio import Cache
>>> async def main():
...     async def source():
...         yield b"hel"
...         yield b"lo"
...     async with await Cache.open(tempfile.mkdtemp()) as cache:
...         chunks = [chunk async for chunk in cache.get_or_fetch("greeting", source)]
...         return b"".join(chunks), await cache.call("hit_count", "greeting")
>>> asyncio.run(main())
(b'hello', 0)

Each operation runs in a thread of the package, not of the loop's executor. If a task is cancelled, its operation still ends in that
thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import TYPE_CHECKING, Any

from . import _cache, _nesting, _threads
from ._aio_files import AsyncWriter, FileInThreads, Reader
from ._files import FollowedFile
from ._prefix import Comparison, FollowingFailed, Prefix
from ._records import Outcome
from ._tee import elsewhere, follow
from ._writer import Writer

__all__ = ["AsyncWriter", "Cache", "Reader"]

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer


class Cache:
    """A cache whose operations are coroutines. `Cache(sync)` shares an open `image_cache.Cache`."""

    def __init__(self, cache: _cache.Cache) -> None:
        self.sync = cache
        """The cache for threads, which is the same."""

    @classmethod
    async def open(
        cls, directory: str | os.PathLike[str] | None = None, **options: Any
    ) -> Cache:
        """Opens the cache, with the arguments of `image_cache.Cache`."""
        return cls(await _threads.work(_cache.Cache, directory, **options))

    async def close(self) -> None:
        """Closes the cache."""
        await _threads.work(self.sync.close)

    async def __aenter__(self) -> Cache:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def call(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Runs any other operation of `image_cache.Cache` by its name: `await cache.call("prune")`."""
        # A source for threads may wait for anything.
        run = _threads.wait if operation == "cache_image" else _threads.work
        return await run(getattr(self.sync, operation), *arguments, **options)

    async def open_for_read(self, image_id: str) -> Reader | None:
        """A cached image; None if it is not cached."""
        file = await _threads.work(self.sync.open_for_read, image_id)
        return None if file is None else Reader(file, self.sync)

    async def open_range(
        self, image_id: str, start: int = 0, end: int | None = None
    ) -> Reader | None:
        """Bytes `start` to `end` (excluded) of a cached image; None if it is not cached."""
        file = await _threads.work(self.sync.open_range, image_id, start, end)
        return None if file is None else Reader(file, self.sync)

    async def follow(self, image_id: str) -> Reader | None:
        """An image that is cached, or that another reader fetches; None if it is neither."""
        file = await _threads.work(self.sync.follow, image_id)
        return None if file is None else Reader(file, self.sync)

    async def begin(
        self,
        image_id: str,
        *,
        size: int | None = None,
        md5: str | None = None,
        sha256: str | None = None,
        sha512: str | None = None,
    ) -> AsyncWriter:
        """A writer, to which the caller pushes the bytes of the image."""
        expected = _expected(size, md5, sha256, sha512)
        return AsyncWriter(await _threads.work(self.sync.begin, image_id, **expected))

    async def cache_image(
        self,
        image_id: str,
        source: AsyncIterable[Buffer],
        *,
        size: int | None = None,
        md5: str | None = None,
        sha256: str | None = None,
        sha512: str | None = None,
    ) -> Outcome:
        """Reads a source into the cache. If the image will not be cached, the source is not read: the outcome says why."""
        async with await self.begin(image_id, **_expected(size, md5, sha256, sha512)) as writer:
            if (bypass := writer.sync.bypass) is not None:
                await writer.abort()
                return bypass
            chunks = aiter(source)
            while (chunk := await _nesting.next_chunk(self.sync, image_id, chunks)) is not _nesting.OVER:
                await writer.write(chunk)
            return await writer.finish()

    async def caching_reader(
        self,
        image_id: str,
        source: AsyncIterable[Buffer],
        *,
        size: int | None = None,
        md5: str | None = None,
        sha256: str | None = None,
        sha512: str | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The chunks of a source, which fill the cache at the same time.

        It withholds the last chunk until the image is verified. If you may not read it to its end, close it with `contextlib.aclosing`:
        before the end nothing is cached.
        """
        writer = await self.begin(image_id, **_expected(size, md5, sha256, sha512))
        async with contextlib.aclosing(_tee(self.sync, writer, source)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def get_or_fetch(
        self,
        image_id: str,
        open_source: Callable[[], AsyncIterable[Buffer]],
        *,
        size: int | None = None,
        md5: str | None = None,
        sha256: str | None = None,
        sha512: str | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The chunks of an image: cached, or of a running fetch, or of the source, which then fills the cache.

        Many readers of one image read the source once, as with `image_cache.Cache.get_or_fetch`. A reader that follows waits in a
        thread, and so do up to 255 others. A source may read other images through the cache; if a task that reads the source of an
        image needs that image, it gets `FetchFailed`.
        """
        prefix, expected = Prefix(image_id), _expected(size, md5, sha256, sha512)
        await _threads.work(self.sync._check, image_id, expected)
        while True:
            file, writer = await _threads.work(elsewhere, self.sync, prefix, expected)
            if file is None:
                break
            followed = _followed(self.sync, file, prefix, expected)
            try:
                async with contextlib.aclosing(_rest(prefix, followed)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            except FollowingFailed as failed:
                prefix.note_failure(failed)
        # It is the last source.
        prefix.is_verified = True
        async with AsyncWriter(writer) as own:
            fetched = _tee(self.sync, own, open_source())
            async with contextlib.aclosing(_rest(prefix, fetched)) as chunks:
                async for chunk in chunks:
                    yield chunk


def _expected(
    size: int | None, md5: str | None, sha256: str | None, sha512: str | None
) -> dict[str, Any]:
    return {"size": size, "md5": md5, "sha256": sha256, "sha512": sha512}


async def _rest(prefix: Prefix, source: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(source):
        comparison = Comparison(prefix)
        async for chunk in source:
            if chunk := comparison.strip(chunk):
                yield chunk
        comparison.end()


async def _tee(
    cache: _cache.Cache, writer: AsyncWriter, source: AsyncIterable[Buffer]
) -> AsyncGenerator[bytes, None]:
    async with writer:
        held, chunks = b"", aiter(source)
        # A source of a writer that does not cache may follow the writer that does.
        own = writer.sync.name if writer.sync.bypass is None else None
        while (chunk := await _nesting.next_chunk(cache, own, chunks)) is not _nesting.OVER:
            # A source may use its buffer again while the chunk is withheld.
            chunk = chunk if isinstance(chunk, bytes) else bytes(memoryview(chunk))
            if chunk:
                await writer.write(chunk)
                held, chunk = chunk, held
                if chunk:
                    yield chunk
        await writer.finish()
    if held:
        yield held


async def _followed(
    cache: _cache.Cache, file: FollowedFile, prefix: Prefix, expected: dict[str, Any]
) -> AsyncGenerator[bytes, None]:
    chunks, over = follow(file, prefix, expected), object()
    reader = FileInThreads(file, cache)
    try:
        while (chunk := await reader.call(next, chunks, over)) is not over:
            yield chunk
    finally:
        await reader.close()
