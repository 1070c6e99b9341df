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

Each operation runs in a thread of the loop's executor. If a task is cancelled, its operation still ends in that thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import TYPE_CHECKING, Any

from . import _cache
from ._files import CHUNK, FollowedFile, ImageFile
from ._prefix import Comparison, FollowingFailed, Prefix
from ._records import Outcome
from ._tee import elsewhere, follow
from ._writer import Writer

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
        return cls(await asyncio.to_thread(_cache.Cache, directory, **options))

    async def close(self) -> None:
        """Closes the cache."""
        await asyncio.to_thread(self.sync.close)

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
        return await asyncio.to_thread(getattr(self.sync, operation), *arguments, **options)

    async def open_for_read(self, image_id: str) -> Reader | None:
        """A cached image; None if it is not cached."""
        file = await asyncio.to_thread(self.sync.open_for_read, image_id)
        return None if file is None else Reader(file)

    async def open_range(
        self, image_id: str, start: int = 0, end: int | None = None
    ) -> Reader | None:
        """Bytes `start` to `end` (excluded) of a cached image; None if it is not cached."""
        file = await asyncio.to_thread(self.sync.open_range, image_id, start, end)
        return None if file is None else Reader(file)

    async def follow(self, image_id: str) -> Reader | None:
        """An image that is cached, or that another reader fetches; None if it is neither."""
        file = await asyncio.to_thread(self.sync.follow, image_id)
        return None if file is None else Reader(file)

    async def begin(
        self, image_id: str, *, size: int | None = None, md5: str | None = None
    ) -> AsyncWriter:
        """A writer, to which the caller pushes the bytes of the image."""
        return AsyncWriter(await asyncio.to_thread(self.sync.begin, image_id, size=size, md5=md5))

    async def cache_image(
        self,
        image_id: str,
        source: AsyncIterable[Buffer],
        *,
        size: int | None = None,
        md5: str | None = None,
    ) -> Outcome:
        """Reads a source into the cache. If the image will not be cached, the source is not read: the outcome says why."""
        async with await self.begin(image_id, size=size, md5=md5) as writer:
            if (bypass := writer.sync.bypass) is not None:
                await writer.abort()
                return bypass
            async for chunk in source:
                await writer.write(chunk)
            return await writer.finish()

    async def caching_reader(
        self,
        image_id: str,
        source: AsyncIterable[Buffer],
        *,
        size: int | None = None,
        md5: str | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The chunks of a source, which fill the cache at the same time.

        It withholds the last chunk until the image is verified. If you may not read it to its end, close it with `contextlib.aclosing`:
        before the end nothing is cached.
        """
        writer = await self.begin(image_id, size=size, md5=md5)
        async with contextlib.aclosing(_tee(writer, source)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def get_or_fetch(
        self,
        image_id: str,
        open_source: Callable[[], AsyncIterable[Buffer]],
        *,
        size: int | None = None,
        md5: str | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The chunks of an image: cached, or of a running fetch, or of the source, which then fills the cache.

        Many readers of one image read the source once, as with `image_cache.Cache.get_or_fetch`. Readers that follow wait in threads of
        the loop's executor.
        """
        prefix, expected = Prefix(image_id), {"size": size, "md5": md5}
        while True:
            file, writer = await asyncio.to_thread(elsewhere, self.sync, prefix, expected)
            if file is None:
                break
            try:
                async with contextlib.aclosing(_rest(prefix, _followed(file, prefix, expected))) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            except FollowingFailed as failed:
                prefix.note_failure(failed)
        # It is the last source.
        prefix.is_verified = True
        async with contextlib.aclosing(_rest(prefix, _tee(AsyncWriter(writer), open_source()))) as chunks:
            async for chunk in chunks:
                yield chunk


async def _rest(prefix: Prefix, source: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(source):
        comparison = Comparison(prefix)
        async for chunk in source:
            if chunk := comparison.strip(chunk):
                yield chunk
        comparison.end()


async def _tee(writer: AsyncWriter, source: AsyncIterable[Buffer]) -> AsyncGenerator[bytes, None]:
    async with writer:
        held = b""
        async for chunk in source:
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
    file: FollowedFile, prefix: Prefix, expected: dict[str, Any]
) -> AsyncGenerator[bytes, None]:
    chunks, over = follow(file, prefix, expected), object()
    try:
        while (chunk := await asyncio.to_thread(next, chunks, over)) is not over:
            yield chunk
    finally:
        await asyncio.to_thread(file.close)


class Reader:
    """An image, or a range of it. Iterating returns its chunks."""

    def __init__(self, file: ImageFile | FollowedFile) -> None:
        self.sync = file
        """The file for threads, which is the same."""

    async def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; all for a negative size."""
        return await asyncio.to_thread(self.sync.read, size)

    async def readinto(self, buffer: Buffer) -> int:
        """Reads into the buffer; returns the number of bytes, 0 only at the end."""
        return await asyncio.to_thread(self.sync.readinto, buffer)

    async def close(self) -> None:
        """Ends reading."""
        await asyncio.to_thread(self.sync.close)

    def __aiter__(self) -> Reader:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.read(CHUNK)
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def __aenter__(self) -> Reader:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class AsyncWriter:
    """Caches one image from pushed bytes. See `image_cache.Writer`."""

    def __init__(self, writer: Writer) -> None:
        self.sync = writer
        """The writer for threads, which is the same."""

    async def write(self, data: Buffer) -> int:
        """Adds the next bytes."""
        return await asyncio.to_thread(self.sync.write, data)

    async def finish(self) -> Outcome:
        """The end of the image: verifies and publishes it."""
        return await asyncio.to_thread(self.sync.finish)

    async def abort(self) -> None:
        """Undoes it. Does nothing after the end."""
        await asyncio.to_thread(self.sync.abort)

    async def __aenter__(self) -> AsyncWriter:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            await self.abort()
        elif not self.sync.closed:
            await self.finish()
