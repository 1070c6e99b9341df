"""The cache for asyncio."""

import asyncio
import concurrent.futures
import contextlib
import os
import tempfile
import threading
import unittest

import image_cache
from image_cache import aio
from support import WAIT, digests, image, in_child, md5, pieces

MIB = 1 << 20


class Asyncio(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name
        self.cache = await aio.Cache.open(self.cache_directory("cache"), other_writer_patience=2)
        self.addAsyncCleanup(self.cache.close)

    def cache_directory(self, name):
        return os.path.join(self.scratch, name)

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


    async def test_many_more_tasks_than_threads_read_one_cold_image(self):
        """Readers that wait for a fetch must leave threads to its writer."""
        cores = os.cpu_count() or 1
        data, opened = image(40 * 100_000), []

        def open_source():
            opened.append(None)
            return self.source(data)

        async def read():
            return b"".join([chunk async for chunk in cache.get_or_fetch("cirros", open_source)]) == data

        async with await aio.Cache.open(self.cache_directory("many"), other_writer_patience=90) as cache:
            tasks = [read() for _ in range(3 * (cores + 4) + 10)]
            results = await asyncio.wait_for(asyncio.gather(*tasks), 2 * WAIT)
        self.assertEqual((set(results), len(opened)), ({True}, 1))

    async def test_cancelled_readers_of_a_slow_fetch_leave_threads_to_its_writer(self):
        cores = os.cpu_count() or 1
        data, reads = image(4 * MIB), []
        async with await aio.Cache.open(self.cache_directory("cancelled"), other_writer_patience=90) as cache:
            writer = await cache.begin("cirros")
            await writer.write(data)
            for _ in range(cores + 40):
                reader = cache.get_or_fetch("cirros", None)
                await anext(reader)
                reads.append(asyncio.create_task(self.collect(reader)))
            await asyncio.sleep(0.5)
            for read in reads:
                read.cancel()
            ends = await asyncio.wait_for(asyncio.gather(*reads, return_exceptions=True), WAIT)
            self.assertEqual({type(end) for end in ends}, {asyncio.CancelledError})
            self.assertEqual((await asyncio.wait_for(writer.finish(), WAIT)).kind, "cached")

    async def test_the_executor_of_the_loop_is_left_to_the_program(self):
        loop, end = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, end.wait)
        try:
            await asyncio.wait_for(self.cache.cache_image("cirros", self.source(b"bytes")), WAIT)
            self.assertEqual(await asyncio.wait_for(self.read("cirros"), WAIT), b"bytes")
        finally:
            end.set()
            await busy

    async def test_a_forked_child_has_threads_of_its_own(self):
        await self.cache.cache_image("cirros", self.source(b"bytes"))
        cache = self.cache

        async def read():
            async with await cache.open_for_read("cirros") as reader:
                assert await reader.read() == b"bytes"

        self.assertEqual(in_child(lambda: asyncio.run(read())), "")

    async def test_a_source_that_needs_its_own_image_gets_an_error_at_once(self):
        async with await aio.Cache.open(self.cache_directory("own"), other_writer_patience=90) as cache:

            async def own():
                async for chunk in cache.get_or_fetch("cirros", own):
                    yield chunk

            async def followed():
                yield b"first"
                async for chunk in await cache.follow("cirros"):
                    yield chunk

            async def through_another():
                async for chunk in cache.get_or_fetch("other", own):
                    yield chunk

            reads = (
                lambda: self.collect(cache.get_or_fetch("cirros", own)),
                lambda: self.collect(cache.get_or_fetch("cirros", followed)),
                lambda: self.collect(cache.get_or_fetch("cirros", through_another)),
                lambda: self.collect(cache.caching_reader("cirros", own())),
                lambda: cache.cache_image("cirros", own()),
            )
            for read in reads:
                with self.assertRaises(image_cache.FetchFailed) as caught:
                    await asyncio.wait_for(read(), WAIT)
                self.assertEqual((caught.exception.kind, caught.exception.image_id), ("Deadlock", "cirros"))
                self.assertEqual((await cache.call("cache_size")).images, 0)

    async def test_sources_that_need_each_other_s_images_get_an_error(self):
        names, barrier = ("a", "b", "c"), asyncio.Barrier(3)
        async with await aio.Cache.open(self.cache_directory("circle"), other_writer_patience=90) as cache:

            async def source(name, start):
                await start()
                needed = names[(names.index(name) + 1) % 3]
                async for chunk in cache.get_or_fetch(needed, lambda: source(needed, no_start)):
                    yield chunk

            async def no_start():
                pass

            reads = [self.collect(cache.get_or_fetch(name, lambda name=name: source(name, barrier.wait))) for name in names]
            ends = await asyncio.wait_for(asyncio.gather(*reads, return_exceptions=True), WAIT)
            self.assertEqual([(type(end), end.kind) for end in ends], [(image_cache.FetchFailed, "Deadlock")] * 3)
            self.assertEqual((await cache.call("cache_size")).images, 0)

    async def test_a_slow_fetch_is_followed_by_a_source_and_by_tasks(self):
        """Waits for other fetches are no circle, however long they take."""
        more = asyncio.Event()

        async def slow():
            yield b"first"
            await more.wait()
            yield b"last"

        async def needs_it():
            async for chunk in self.cache.get_or_fetch("slow", None):
                yield chunk

        async with await aio.Cache.open(self.cache_directory("slow"), other_writer_patience=90) as self.cache:
            reads = [asyncio.create_task(self.collect(self.cache.get_or_fetch("slow", slow)))]
            while not await self.cache.call("is_being_cached", "slow"):
                await asyncio.sleep(0.01)
            reads += [asyncio.create_task(self.collect(self.cache.get_or_fetch(name, needs_it))) for name in "ab"]
            await asyncio.sleep(2.5)
            more.set()
            self.assertEqual(await asyncio.wait_for(asyncio.gather(*reads), WAIT), [b"firstlast"] * 3)

    async def test_a_source_may_read_other_images_and_its_tasks_may_read_the_image_later(self):
        later = []

        async def outer():
            async for chunk in self.cache.get_or_fetch("inner", lambda: self.source(b"inner")):
                yield chunk
            later.append(asyncio.create_task(self.read_after(done)))

        done = asyncio.Event()
        self.assertEqual(await self.collect(self.cache.get_or_fetch("outer", outer)), b"inner")
        done.set()
        self.assertEqual(await asyncio.wait_for(later[0], WAIT), b"inner")

    async def read_after(self, done):
        """Reads the image in a task that its source has started."""
        await done.wait()
        return await self.collect(self.cache.get_or_fetch("outer", None))

    async def collect(self, chunks):
        return b"".join([chunk async for chunk in chunks])

    async def test_all_expected_checksums_are_verified(self):
        data, wrong = image(300_000), digests(b"other")
        await self.cache.cache_image("right", self.source(data), **digests(data))
        self.assertEqual(await self.read("right"), data)
        for name in wrong:
            expected = {**digests(data), name: wrong[name]}
            for read in (
                lambda: self.cache.cache_image("wrong", self.source(data), **expected),
                lambda: self.collect(self.cache.caching_reader("wrong", self.source(data), **expected)),
                lambda: self.collect(self.cache.get_or_fetch("wrong", lambda: self.source(data), **expected)),
            ):
                with self.assertRaises(image_cache.ChecksumMismatch) as caught:
                    await read()
                self.assertEqual(caught.exception.expected, wrong[name])
            with self.assertRaises(image_cache.InvalidChecksum):
                await self.collect(self.cache.get_or_fetch("right", None, **{name: "0" * 31}))


if __name__ == "__main__":
    unittest.main()
