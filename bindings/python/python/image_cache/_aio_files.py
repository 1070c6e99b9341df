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


class FileInThreads:
    """A file for threads, of which a task uses one read at a time."""

    def __init__(self, file: ImageFile | FollowedFile, cache: Cache) -> None:
        self.file, self._cache = file, cache
        self._may_wait = isinstance(file, FollowedFile) and not file.is_cached
        self._running: list[None] = []
        """One entry for each read whose end is not known."""

    async def call(self, read: Callable[..., Any], *arguments: Any) -> Any:
        """Runs a read of the file in a thread."""
        self._running.append(None)
        if self._may_wait:
            return await _nesting.wait(self._cache, self.file.name, self._call, read, *arguments)
        return await _threads.work(self._call, read, *arguments)

    def _call(self, read: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return read(*arguments)
        finally:
            self._running.pop()

    async def close(self) -> None:
        """Ends reading. If a read still waits in its thread, because its task was cancelled, the file is closed after it."""
        if self._running:
            _threads.start(self.file.close)
        else:
            await _threads.work(self.file.close)


class Reader:
    """An image, or a range of it. Iterating returns its chunks."""

    def __init__(self, file: ImageFile | FollowedFile, cache: Cache) -> None:
        self.sync = file
        """The file for threads, which is the same."""
        self._file = FileInThreads(file, cache)

    async def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; all for a negative size."""
        return await self._file.call(self.sync.read, size)

    async def readinto(self, buffer: Buffer) -> int:
        """Reads into the buffer; returns the number of bytes, 0 only at the end or for an empty buffer."""
        return await self._file.call(self.sync.readinto, buffer)

    async def close(self) -> None:
        """Ends reading."""
        await self._file.close()

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
