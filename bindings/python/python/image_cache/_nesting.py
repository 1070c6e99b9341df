"""Finds tasks that would wait for themselves: the source of an image needs the image, directly or through the sources of other images.

The library finds this for threads. A source for asyncio is read by a task, whose operations run in different threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from . import _threads
from ._errors import DEADLOCK, FetchFailed

if TYPE_CHECKING:
    from ._cache import Cache

OVER = object()
"""The end of a source."""

PAUSE = 1.0
"""The seconds after which a read counts as waiting for a fetch: most reads find bytes that have arrived."""

Image = tuple[int, str]
"""A cache, by its identity, and the id of an image."""


class _SourceRead:
    """A task reads the source of an image. A task that the source has started may still know it after its end."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.is_running = True
        self.needs: Image | None = None
        """The image for whose fetch the source waits."""


_own: ContextVar[tuple[_SourceRead, ...]] = ContextVar("image_cache_sources", default=())
"""The reads of sources in which the task is."""

_running: dict[Image, _SourceRead] = {}
"""The reads of sources in this process."""


@contextlib.contextmanager
def _reading(image: Image) -> Iterator[None]:
    read = _SourceRead(image)
    before = _own.get()
    _own.set((*before, read))
    _running[image] = read
    try:
        yield
    finally:
        read.is_running = False
        _own.set(before)
        if _running.get(image) is read:
            del _running[image]


async def next_chunk(cache: Cache, image_id: str | None, source: AsyncIterator[Any]) -> Any:
    """The next chunk of a source, or `OVER`. If it is the source of an image, it cannot wait for that image meanwhile."""
    reading = contextlib.nullcontext() if image_id is None else _reading((id(cache), image_id))
    with reading:
        try:
            return await anext(source)
        except StopAsyncIteration:
            return OVER


async def wait(cache: Cache, image_id: str, read: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function that may wait for the fetch of an image.

    Raises:
        FetchFailed: the fetch of that image waits for this task.
    """
    image = (id(cache), image_id)
    own = [source for source in _own.get() if source.is_running]
    if not own:
        return await _threads.wait(read, *arguments)
    _check(image, own)
    running = asyncio.ensure_future(_threads.wait(read, *arguments))
    try:
        while not (await asyncio.wait({running}, timeout=PAUSE))[0]:
            for source in own:
                source.needs = image
            _check(image, own)
        return running.result()
    finally:
        for source in own:
            source.needs = None
        # The call itself ends in its thread.
        running.cancel()


def _check(image: Image, own: list[_SourceRead]) -> None:
    images = {source.image for source in own}
    needed: Image | None = image
    # Without these sources there is no circle, because each wait was checked; the bound is for safety.
    for _ in range(len(_running) + 1):
        if needed in images:
            raise FetchFailed(
                f"image {image[1]}: its fetch waits for this read; a source must not need its own image",
                image_id=image[1],
                kind=DEADLOCK,
            )
        source = None if needed is None else _running.get(needed)
        if source is None or source.needs is None:
            return
        needed = source.needs
