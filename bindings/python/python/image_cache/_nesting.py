"""Finds tasks that would wait for themselves: the source of an image needs the image.

The library finds this for threads. A source for asyncio is read by a task, whose operations run in different threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ._errors import DEADLOCK, FetchFailed

if TYPE_CHECKING:
    from ._cache import Cache


class _SourceRead:
    """A task reads the source of an image. A task that the source has started may still know it after its end."""

    def __init__(self, cache: Cache, image_id: str) -> None:
        self.cache, self.image_id = cache, image_id
        self.is_running = True


OVER = object()
"""The end of a source."""

_running: ContextVar[tuple[_SourceRead, ...]] = ContextVar("image_cache_sources", default=())


@contextlib.contextmanager
def _reading(cache: Cache, image_id: str) -> Iterator[None]:
    read = _SourceRead(cache, image_id)
    before = _running.get()
    _running.set((*before, read))
    try:
        yield
    finally:
        read.is_running = False
        _running.set(before)


async def next_chunk(cache: Cache, image_id: str | None, source: AsyncIterator[Any]) -> Any:
    """The next chunk of a source, or `OVER`. If it is the source of an image, it cannot wait for that image meanwhile."""
    reading = contextlib.nullcontext() if image_id is None else _reading(cache, image_id)
    with reading:
        try:
            return await anext(source)
        except StopAsyncIteration:
            return OVER


def check(cache: Cache, image_id: str) -> None:
    """Called before a task waits for the fetch of an image.

    Raises:
        FetchFailed: the task reads the source of that image.
    """
    for read in _running.get():
        if read.is_running and read.cache is cache and read.image_id == image_id:
            raise FetchFailed(
                f"image {image_id}: its fetch waits for this read; a source must not need its own image",
                image_id=image_id,
                kind=DEADLOCK,
            )
