"""A real Glance API, on loopback, serves images with `image_cache.glance.ImageCache` in the place of Glance's class.

    python glance_serves.py

Needs Glance and waitress.
"""

import hashlib
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

FIXTURES = pathlib.Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "glance"

SERVER = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import api

configure = api.configure

def with_cache(home):
    path = configure(home)
    with open(path) as file:
        text = file.read()
    options = f"image_cache_dir = {home}/cache\\nimage_cache_driver = sqlite\\nworker_self_reference_url = http://node\\n"
    text = text.replace("flavor = keystone", "flavor = keystone+cachemanagement")
    with open(path, "w") as file:
        file.write(text.replace("[database]", options + "[database]"))
    return path

api.configure = with_cache
import glance.image_cache
import image_cache.glance
glance.image_cache.ImageCache = image_cache.glance.ImageCache
api.main()
"""


class Serving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.home = scratch.name
        people = {"admin": ["admin", "member", "reader"]}
        pathlib.Path(cls.home, "people.json").write_text(json.dumps(people))
        command = [sys.executable, "-c", SERVER, str(FIXTURES), cls.home]
        log = open(os.path.join(cls.home, "output"), "w")
        cls.server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        log.close()
        cls.addClassCleanup(cls.stop)
        words = cls.server.stdout.readline()
        if not words.startswith("listening on "):
            raise AssertionError(pathlib.Path(cls.home, "output").read_text())
        cls.port = int(words.split()[-1])

    @classmethod
    def stop(cls):
        cls.server.stdin.close()
        cls.server.wait(timeout=30)
        cls.server.stdout.close()

    def send(self, method, path, body=b"", kind="application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {"X-Auth-Token": "admin", "Content-Type": kind})
        answer = connection.getresponse()
        read = answer.read()
        connection.close()
        return answer, read

    def add(self, data):
        image = {"name": "test", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
        _, made = self.send("POST", "/v2/images", json.dumps(image).encode())
        image_id = json.loads(made)["id"]
        answer, _ = self.send("PUT", f"/v2/images/{image_id}/file", data, "application/octet-stream")
        self.assertEqual(answer.status, 204)
        return image_id

    def get(self, image_id):
        answer, data = self.send("GET", f"/v2/images/{image_id}/file")
        self.assertEqual(answer.status, 200)
        return data

    def cached(self):
        _, listed = self.send("GET", "/v2/cache")
        return {image["image_id"]: image for image in json.loads(listed)["cached_images"]}

    def test_clients_get_cold_and_cached_images_and_the_cache_is_managed(self):
        data = hashlib.shake_128(b"image").digest(8 << 20)
        image_id = self.add(data)
        got = []
        clients = [threading.Thread(target=lambda: got.append(self.get(image_id) == data)) for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(got, [True] * 4)
        self.assertEqual(pathlib.Path(self.home, "cache", image_id).read_bytes(), data)
        hits = self.cached()[image_id]["hits"]
        self.assertTrue(self.get(image_id) == data)
        self.assertEqual(self.cached()[image_id]["hits"], hits + 1)
        answer, _ = self.send("DELETE", f"/v2/cache/{image_id}")
        self.assertEqual((answer.status, self.cached()), (204, {}))

    def test_an_image_that_is_damaged_in_the_store_is_neither_served_whole_nor_cached(self):
        data = hashlib.shake_128(b"other").digest(1 << 20)
        image_id = self.add(data)
        with open(os.path.join(self.home, "store", image_id), "r+b") as file:
            file.seek(1000)
            file.write(b"damage")
        try:
            _, got = self.send("GET", f"/v2/images/{image_id}/file")
        except (http.client.IncompleteRead, ConnectionError) as error:
            got = getattr(error, "partial", b"")
        self.assertLess(len(got), len(data))
        self.assertNotIn(image_id, self.cached())
        self.assertTrue(self.send("DELETE", f"/v2/images/{image_id}")[0].status == 204)


GREEN = """
import eventlet
eventlet.monkey_patch()
import os, sys
from image_cache import glance

cache = glance.ImageCache({"image_cache_dir": sys.argv[1], "image_cache_driver": "sqlite"}, other_writer_patience=10)
data, read = os.urandom(1 << 20) * 4, []

def chunks():
    for at in range(0, len(data), 1 << 16):
        read.append(1 << 16)
        yield data[at : at + (1 << 16)]
        eventlet.sleep(0.001)

def client():
    return b"".join(cache.get_caching_iter("image", None, chunks())) == data

clients = [eventlet.spawn(client) for _ in range(4)]
assert all(client.wait() for client in clients)
assert sum(read) == len(data), "the store is read once"
assert cache.is_cached("image")
"""


class Eventlet(unittest.TestCase):
    def test_green_threads_of_one_thread_share_a_read_of_the_store(self):
        """A reader that waited for the writer in their only thread would stop it."""
        with tempfile.TemporaryDirectory() as scratch:
            command = [sys.executable, "-W", "ignore", "-c", GREEN, os.path.join(scratch, "cache")]
            result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()
