"""What the tests share."""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import traceback
import unittest

from image_cache import Cache

WAIT = 30
"""The seconds after which a test fails that waits for something."""


def image(size, seed=1):
    """Bytes that do not repeat within a block."""
    block = hashlib.shake_128(str(seed).encode()).digest(1 << 16)
    return (block * (size // len(block) + 1))[:size]


def pieces(data, size):
    """The bytes in chunks."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def md5(data):
    return hashlib.md5(data).hexdigest()


def digests(data):
    """All checksums of these bytes, by their names as arguments."""
    return {name: hashlib.new(name, data).hexdigest() for name in ("md5", "sha256", "sha512")}


def within_wait(*works):
    """Runs these at the same time; returns their results, and fails if one does not end in time."""
    results = [None] * len(works)

    def run(number, work):
        try:
            results[number] = (work(), None)
        except BaseException as error:
            results[number] = (None, error)

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    until(lambda: None not in results)
    for _, error in results:
        if error is not None:
            raise error
    return [result for result, _ in results]


def until(condition):
    """Waits until the condition holds."""
    end = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not happen in time")
        time.sleep(0.005)


def run_program(text, *arguments, timeout=WAIT):
    """Runs a program of Python; its result has the exit code and both outputs."""
    command = [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def start_program(text, *arguments):
    """Starts a program of Python with pipes."""
    command = [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def in_child(work):
    """Runs `work` in a forked child; returns what it raised, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(WAIT)
        try:
            work()
        except BaseException:
            os.write(writing, traceback.format_exc().encode()[-60_000:])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        raised = file.read()
    _, status = os.waitpid(child, 0)
    return raised or (f"status {status}" if status else "")


class CacheTest(unittest.TestCase):
    """A test with a cache in a directory of its own."""

    options = {}

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = os.path.join(scratch.name, "cache")
        self.cache = self.open()

    def open(self, **options):
        cache = Cache(self.directory, **{**self.options, **options})
        self.addCleanup(cache.close)
        return cache

    def names(self, folder):
        return sorted(os.listdir(os.path.join(self.directory, folder)))

    def path(self, *names):
        return os.path.join(self.directory, *names)
