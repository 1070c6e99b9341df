"""The cache for asyncio."""

import asyncio
import contextlib
import os
import tempfile
import unittest

import image_cache
from image_cache import aio
from support import image, md5, pieces

MIB = 1 << 20


class Asyncio(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.cache = await aio.Cache.open(os.path.join(scratch.name, "cache"), other_writer_patience=2)
        self.addAsyncCleanup(self.cache.close)

    async def source(self, data, size=100_000):
        for piece in pieces(data, size):
            yield piece
            await asyncio.sleep(0)

    async def read(self, image_id):
        async with await self.cache.open_for_read(image_id) as reader:
            return await reader.read()

    async def test_an_image_is_fetched_once_for_many_tasks(self):
        data, opened = image(3 * MIB), []

        def open_source():
            opened.append(None)
            return self.source(data)

        async def read():
            return b"".join([chunk async for chunk in self.cache.get_or_fetch("cirros", open_source, md5=md5(data))])

        results = await asyncio.gather(*(read() for _ in range(5)))
        self.assertTrue(all(result == data for result in results))
        self.assertEqual(len(opened), 1)
        self.assertEqual(await self.read("cirros"), data)

    async def test_readers_read_ranges_and_chunks(self):
        data = image(2 * MIB + 1)
        self.assertEqual((await self.cache.cache_image("cirros", self.source(data))).kind, "cached")
        self.assertEqual((await self.cache.cache_image("cirros", None)).kind, "already-cached")
        async with await self.cache.open_range("cirros", 5, 10) as part:
            self.assertEqual(await part.read(), data[5:10])
        async with await self.cache.open_for_read("cirros") as reader:
            self.assertEqual(b"".join([chunk async for chunk in reader]), data)
        buffer = bytearray(3 * MIB)
        async with await self.cache.follow("cirros") as reader:
            self.assertGreater(await reader.readinto(buffer), 0)
        self.assertIsNone(await self.cache.open_for_read("none"))
        self.assertEqual(await self.cache.call("hit_count", "cirros"), 2)

    async def test_an_exception_of_the_source_reaches_the_task_and_wrong_bytes_are_an_error(self):
        async def broken():
            yield b"bytes"
            raise KeyError("ours")

        with self.assertRaisesRegex(KeyError, "ours"):
            [chunk async for chunk in self.cache.get_or_fetch("cirros", broken)]
        got = []
        with self.assertRaises(image_cache.ChecksumMismatch):
            async for chunk in self.cache.caching_reader("cirros", self.source(b"abc", 1), md5=md5(b"abd")):
                got.append(chunk)
        self.assertEqual(got, [b"a", b"b"])
        self.assertFalse(await self.cache.call("is_cached", "cirros"))

    async def test_a_cancelled_or_closed_reader_undoes_the_image(self):
        reader = self.cache.caching_reader("closed", self.source(b"abcdef", 1))
        async with contextlib.aclosing(reader):
            await anext(reader)
        started = asyncio.Event()

        async def read():
            async for _ in self.cache.get_or_fetch("cancelled", lambda: self.source(b"abcdef", 1)):
                started.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(read())
        await started.wait()
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        for _ in range(100):
            if not await self.cache.call("is_being_cached", "cancelled"):
                break
            await asyncio.sleep(0.05)
        for name in ("closed", "cancelled"):
            self.assertFalse(await self.cache.call("is_cached", name))
            self.assertFalse(await self.cache.call("is_being_cached", name))

    async def test_pushed_bytes_are_cached(self):
        async with await self.cache.begin("cirros", size=5) as writer:
            await writer.write(b"bytes")
        self.assertEqual(await self.read("cirros"), b"bytes")
        with self.assertRaises(image_cache.Closed):
            await writer.finish()

    async def test_the_event_loop_runs_while_an_operation_works(self):
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(tick())
        await self.cache.cache_image("cirros", self.source(image(8 * MIB), MIB))
        await self.cache.call("verify", "cirros")
        task.cancel()
        self.assertGreater(ticks, 10)


if __name__ == "__main__":
    unittest.main()
