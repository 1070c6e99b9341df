"""What the end of the interpreter and a forked child need."""

from __future__ import annotations

import atexit
import os

from . import _native

_directories: set[str] = set()
_process = os.getpid()


def note_directory(directory: str) -> None:
    """A cache of this process is in this directory."""
    _directories.add(os.path.realpath(directory))


def enter() -> None:
    """Called in a forked child before it uses a cache: closes the parent's locks, once.

    A lock belongs to the open file, which parent and child share. If the child kept it open, the lock would outlive the parent, and
    other processes would wait for a writer that is gone. Other files and connections stay open and unused.
    """
    global _process
    if _process == os.getpid():
        return
    _process = os.getpid()
    _native.begin_after_fork()
    for name in os.listdir("/proc/self/fd"):
        if _is_lock_of_cache(name):
            os.close(int(name))


def _is_lock_of_cache(descriptor: str) -> bool:
    try:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        below = [path[len(each) + 1 :] for each in _directories if path.startswith(each + "/")]
        if not below:
            return False
        # A thread of the parent may just have opened a file that it is about to lock.
        if any(each.startswith((".image-cache/", "incomplete/")) for each in below):
            return True
        with open(f"/proc/self/fdinfo/{descriptor}") as info:
            return any(line.startswith("lock:") for line in info)
    except OSError:
        # It is closed by now, as the one with which the folder was listed.
        return False


os.register_at_fork(before=_native.wait_for_calls, after_in_child=enter)
atexit.register(_native.begin_shutdown)
