"""What the end of the interpreter and a forked child need.

The library notices forks itself: it waits for calls of drivers, closes inherited locks, and opens the cache anew. Before a fork, this
module only lets short calls end.
"""

from __future__ import annotations

import atexit
import os

from . import _native

_process = os.getpid()


def enter() -> None:
    """Called in a forked child before it uses a cache, once. It is no hook alone, because a fork without Python calls none."""
    global _process
    if _process != os.getpid():
        _process = os.getpid()
        _native.begin_after_fork()


os.register_at_fork(before=_native.wait_for_calls, after_in_child=enter)
atexit.register(_native.begin_shutdown)
