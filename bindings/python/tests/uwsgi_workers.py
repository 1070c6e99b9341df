"""Two workers of uWSGI, which the master forks without Python, after it has opened the cache: no `lazy-apps`.

    python uwsgi_workers.py

Needs uWSGI in the environment of this Python.
"""

import hashlib
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

WAIT = 30

APPLICATION = """
import asyncio, contextlib, glob, os, sys, time
from image_cache import Cache, aio

home = os.environ["TEST_HOME"]
cache = Cache(os.path.join(home, "cache"))
cache.cache_image("masters", b"of the master")
master = os.getpid()

def both_are_here(name):
    # Each request of a pair is in another worker, because a worker serves one at a time.
    open(os.path.join(home, f"{name}.{os.getpid()}"), "w").close()
    end = time.monotonic() + 20
    while len(glob.glob(os.path.join(glob.escape(home), f"{name}.*"))) < 2:
        if time.monotonic() > end:
            raise TimeoutError("the other worker does not come")
        time.sleep(0.01)

def source(name):
    with open(os.path.join(home, "opened"), "a") as file:
        file.write(name + "\\n")
    for number in range(200):
        yield b"%06d" % number * 1000
        time.sleep(0.001)

def read(name):
    if name == "masters":
        with cache.open_for_read(name) as file:
            return file.read()
    return b"".join(cache.get_or_fetch(name, lambda: source(name)))

async def read_in_tasks(name):
    async def chunks():
        for chunk in source(name):
            yield chunk
    async def one():
        return b"".join([chunk async for chunk in aio.Cache(cache).get_or_fetch(name, chunks)])
    one_read, other_read = await asyncio.gather(one(), one())
    assert one_read == other_read
    return one_read

def application(environ, start_response):
    assert os.getpid() != master
    name = environ["PATH_INFO"].strip("/")
    both_are_here(name.split("-")[0])
    if name.startswith("own"):
        name = f"{name}-{os.getpid()}"
    if name.startswith("async"):
        # asyncio.run() would replace the signal handler with which uWSGI ends a worker.
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            data = loop.run_until_complete(read_in_tasks(name))
    else:
        data = read(name)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Worker", str(os.getpid()))])
    return [data]
"""

FETCHED = b"".join(b"%06d" % number * 1000 for number in range(200))


class Workers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.home = pathlib.Path(scratch.name)
        (cls.home / "application.py").write_text(APPLICATION)
        with socket.create_server(("127.0.0.1", 0)) as free:
            cls.port = free.getsockname()[1]
        environment = pathlib.Path(sys.prefix)
        uwsgi = os.environ.get("UWSGI", str(environment / "bin" / "uwsgi"))
        command = [uwsgi, "--http-socket", f"127.0.0.1:{cls.port}", "--master", "--processes", "2"]
        command += ["--module", "application:application", "--pythonpath", str(cls.home), "--need-app"]
        command += ["--venv", str(environment), "--die-on-term", "--disable-logging"]
        with open(cls.home / "output", "w") as log:
            cls.server = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "TEST_HOME": str(cls.home)}
            )
        cls.addClassCleanup(cls.stop)
        cls.until_it_listens()

    @classmethod
    def until_it_listens(cls):
        end = time.monotonic() + WAIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", cls.port), timeout=WAIT).close()
                return
            except OSError:
                if time.monotonic() > end or cls.server.poll() is not None:
                    raise AssertionError((cls.home / "output").read_text()) from None
                time.sleep(0.05)

    @classmethod
    def stop(cls):
        cls.server.terminate()
        try:
            cls.server.wait(timeout=WAIT)
        except subprocess.TimeoutExpired:
            cls.server.kill()
            cls.server.wait()
            raise

    def get(self, name, got):
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT) as stream:
            stream.sendall(f"GET /{name} HTTP/1.0\r\n\r\n".encode())
            answer = b""
            while received := stream.recv(1 << 16):
                answer += received
        head, _, body = answer.partition(b"\r\n\r\n")
        got.append((b"200 OK" in head.split(b"\r\n")[0], head.rpartition(b"Worker: ")[2], body))

    def from_both(self, name):
        """The bodies of two requests at the same time, each from another worker."""
        got = []
        threads = [threading.Thread(target=self.get, args=(name, got)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        output = (self.home / "output").read_text()
        self.assertEqual([is_ok for is_ok, _, _ in got], [True, True], output)
        self.assertEqual(len({worker for _, worker, _ in got}), 2, output)
        return [hashlib.md5(body).hexdigest() for _, _, body in got]

    def opened(self, name):
        return [line for line in (self.home / "opened").read_text().split() if line.startswith(name)]

    def test_both_workers_read_what_the_master_cached(self):
        self.assertEqual(self.from_both("masters"), [hashlib.md5(b"of the master").hexdigest()] * 2)

    def test_both_workers_fill_images_of_their_own(self):
        self.assertEqual(self.from_both("own"), [hashlib.md5(FETCHED).hexdigest()] * 2)
        self.assertEqual(len(self.opened("own")), 2)
        self.assertEqual(len(list((self.home / "cache").glob("own-*"))), 2)

    def test_both_workers_share_the_fetch_of_one_image(self):
        self.assertEqual(self.from_both("shared"), [hashlib.md5(FETCHED).hexdigest()] * 2)
        self.assertEqual(self.opened("shared"), ["shared"])

    def test_tasks_of_both_workers_share_the_fetch_of_one_image(self):
        self.assertEqual(self.from_both("async"), [hashlib.md5(FETCHED).hexdigest()] * 2)
        self.assertEqual(self.opened("async"), ["async"])


if __name__ == "__main__":
    unittest.main()
