"""Calls that can block for long, in a service that runs on eventlet."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def run(work: Callable[..., Any], *arguments: Any) -> Any:
    """Calls `work`; if eventlet has replaced the threads of this process, in one of its native threads.

    All green threads share one native thread: a reader that waited in it for a writer in another green thread would stop both.
    """
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is None or not patcher.is_monkey_patched("thread"):
        return work(*arguments)
    from eventlet import tpool

    return tpool.execute(work, *arguments)
