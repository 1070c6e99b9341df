"""Readers and writers for asyncio."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _nesting, _threads
from ._files import CHUNK, FollowedFile, ImageFile
from ._records import Outcome
from ._writer import Writer

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer

    from ._cache import Cache


class Reader:
    """An image, or a range of it. Iterating returns its chunks."""

    def __init__(self, file: ImageFile | FollowedFile, cache: Cache) -> None:
        self.sync = file
        """The file for threads, which is the same."""
        self._cache = cache
        self._may_wait = isinstance(file, FollowedFile) and not file.is_cached

    async def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; all for a negative size."""
        return await self._call(self.sync.read, size)

    async def readinto(self, buffer: Buffer) -> int:
        """Reads into the buffer; returns the number of bytes, 0 only at the end or for an empty buffer."""
        return await self._call(self.sync.readinto, buffer)

    async def _call(self, read: Callable[[Any], Any], argument: Any) -> Any:
        if not self._may_wait:
            return await _threads.work(read, argument)
        _nesting.check(self._cache, self.sync.name)
        return await _threads.wait(read, argument)

    async def close(self) -> None:
        """Ends reading."""
        await _threads.work(self.sync.close)

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
        return await _threads.work(self.sync.write, data)

    async def finish(self) -> Outcome:
        """The end of the image: verifies and publishes it."""
        return await _threads.work(self.sync.finish)

    async def abort(self) -> None:
        """Undoes it. Does nothing after the end."""
        await _threads.work(self.sync.abort)

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
