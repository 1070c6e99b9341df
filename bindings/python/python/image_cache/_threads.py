"""The threads in which the cache for asyncio works: its own, so that it and the program do not wait for each other's work."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

WORKERS = min(32, (os.cpu_count() or 1) + 4)
"""Threads for operations that end by themselves, as many as the executor of an event loop has."""

WAITERS = 256
"""Threads for reads that may wait for another reader's fetch. They sleep, so they cost little; further reads wait for a thread."""


class _Executors:
    """The executors of one process. Threads are started when they are needed."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.work = ThreadPoolExecutor(WORKERS, "image-cache-work")
        self.wait = ThreadPoolExecutor(WAITERS, "image-cache-wait")


_executors = _Executors()
_inherited: list[_Executors] = []


def _current() -> _Executors:
    """Those of this process. A forked child has none of its parent's threads; the parent's executors are kept, never ended."""
    global _executors
    if _executors.process != os.getpid():
        _inherited.append(_executors)
        _executors = _Executors()
    return _executors


async def work(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Calls a function that ends by itself, whatever other readers do."""
    return await _run(_current().work, functools.partial(function, *arguments, **options))


async def wait(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Calls a function that may wait for the fetch of another reader. So writers never wait for a thread that waits for them."""
    return await _run(_current().wait, functools.partial(function, *arguments, **options))


def start(function: Callable[[], Any]) -> None:
    """Calls a function that may wait, without a wait for its end."""
    _current().wait.submit(function)


async def _run(executor: ThreadPoolExecutor, call: Callable[[], Any]) -> Any:
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(executor, context.run, call)
