"""Cached images as file objects."""

import array
import io
import mmap
import shutil
import threading
import unittest

import image_cache
from support import CacheTest, image, within_wait

MIB = 1 << 20


class Reading(CacheTest):
    def setUp(self):
        super().setUp()
        self.data = image(3 * MIB + 12345)
        self.cache.cache_image("cirros", self.data)
        self.file = self.cache.open_for_read("cirros")
        self.addCleanup(self.file.close)

    def test_it_is_a_binary_file(self):
        self.assertIsInstance(self.file, io.RawIOBase)
        self.assertTrue(self.file.readable() and self.file.seekable() and not self.file.writable())
        self.assertEqual((self.file.name, self.file.size, self.file.tell()), ("cirros", len(self.data), 0))
        self.assertEqual(self.file.read(10), self.data[:10])
        self.assertEqual(self.file.seek(-5, io.SEEK_END), len(self.data) - 5)
        self.assertEqual((self.file.read(100), self.file.read(100), self.file.read()), (self.data[-5:], b"", b""))
        self.assertEqual(self.file.seek(MIB - 3), MIB - 3)
        self.assertEqual(self.file.read(MIB), self.data[MIB - 3 : 2 * MIB - 3])
        self.file.seek(-10, io.SEEK_CUR)
        self.assertEqual(self.file.tell(), 2 * MIB - 13)
        self.assertEqual(io.BufferedReader(self.file).peek(4)[:4], self.data[2 * MIB - 13 : 2 * MIB - 9])

    def test_a_wrong_position_is_a_value_error(self):
        for arguments in [(-1,), (-1, io.SEEK_CUR), (0, 3), (-len(self.data) - 1, io.SEEK_END)]:
            with self.assertRaises(ValueError):
                self.file.seek(*arguments)
        self.assertEqual(self.file.tell(), 0)

    def test_buffers_of_every_kind_are_filled(self):
        for make in (bytearray, lambda size: mmap.mmap(-1, size), lambda size: array.array("B", bytes(size))):
            for size in (1, MIB, 2 * MIB, 5 * MIB):
                self.file.seek(0)
                buffer, found = make(size), b""
                while count := self.file.readinto(buffer):
                    found += bytes(memoryview(buffer)[:count])
                    if size == 1:
                        break
                self.assertEqual(found, self.data[: len(found)])
                self.assertEqual(len(found), 1 if size == 1 else len(self.data))

    def test_wrong_buffers_are_refused_and_empty_ones_are_not(self):
        self.assertEqual(self.file.readinto(bytearray()), 0)
        self.assertEqual(self.file.read(0), b"")
        with self.assertRaises(BufferError):
            self.file.readinto(b"immutable")
        with self.assertRaises(BufferError):
            self.file.readinto(memoryview(bytearray(10))[::2])
        with self.assertRaises(TypeError):
            self.file.readinto("text")
        self.assertEqual(self.file.tell(), 0, "nothing was read")

    def test_an_empty_buffer_gets_nothing_at_once_although_a_fetch_makes_no_progress(self):
        writer = self.cache.begin("slow")
        with self.cache.follow("slow") as file:
            results = within_wait(lambda: file.readinto(bytearray()), lambda: file.read(0))
            self.assertEqual(results, [0, b""])
        writer.abort()

    def test_a_range_is_a_file_of_its_own_and_counts_a_hit(self):
        with self.cache.open_range("cirros", MIB - 1, MIB + 3) as part:
            self.assertEqual((part.size, part.image_size), (4, len(self.data)))
            self.assertEqual(part.read(), self.data[MIB - 1 : MIB + 3])
        self.assertEqual(self.cache.hit_count("cirros"), 1)
        with self.cache.open_range("cirros", 10 * MIB) as beyond:
            self.assertEqual(beyond.read(), b"")

    def test_iterating_returns_chunks_and_the_end_counts_a_hit(self):
        chunks = list(self.file)
        self.assertEqual((b"".join(chunks), len(chunks)), (self.data, 4))
        self.assertEqual(self.cache.hit_count("cirros"), 1)
        self.file.seek(0)
        target = io.BytesIO()
        shutil.copyfileobj(self.file, target)
        self.assertEqual(target.getvalue(), self.data)

    def test_an_abandoned_read_counts_no_hit_and_a_closed_file_says_so(self):
        self.file.read(10)
        self.file.close()
        self.file.close()
        self.assertEqual(self.cache.hit_count("cirros"), 0)
        with self.assertRaises(ValueError):
            self.file.read(1)
        with self.assertRaises(image_cache.Closed):
            self.file.readinto(bytearray(1))

    def test_a_deleted_image_is_read_to_its_end_and_not_evicted_meanwhile(self):
        pruned = self.open(max_size=0).prune()
        self.assertEqual((pruned.images, pruned.kept[0].image_id), (0, "cirros"))
        self.assertTrue(self.cache.delete_cached_image("cirros"))
        self.assertEqual(self.file.read(), self.data)

    def test_bytes_before_damage_are_returned_and_then_the_error(self):
        with open(self.path("cirros"), "r+b") as file:
            file.seek(2 * MIB)
            file.write(b"damage")
        self.assertEqual(self.file.read(), self.data[: 2 * MIB])
        for _ in range(2):
            with self.assertRaises(image_cache.Corrupt):
                self.file.read()

    def test_threads_share_a_reader_and_other_threads_run_meanwhile(self):
        found, ticks, is_over = [], [], threading.Event()

        def tick():
            while not is_over.is_set():
                ticks.append(None)

        def read():
            while chunk := self.file.read(MIB):
                found.append(chunk)

        threads = [threading.Thread(target=read) for _ in range(4)]
        other = threading.Thread(target=tick)
        for thread in [other, *threads]:
            thread.start()
        for thread in threads:
            thread.join()
        is_over.set()
        other.join()
        self.assertEqual(sum(map(len, found)), len(self.data))
        self.assertTrue(ticks)


if __name__ == "__main__":
    unittest.main()
