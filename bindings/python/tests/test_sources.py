"""Sources: their exceptions, their buffers, and readers that share them."""

import functools
import io
import os
import threading
import unittest

import image_cache
from support import CacheTest, digests, image, md5, pieces, until, within_wait

MIB = 1 << 20


class Broken(Exception):
    """An exception of a source."""


def broken(data):
    yield data
    raise Broken("in the middle")


class Sources(CacheTest):
    def test_the_chunks_of_a_source_reach_the_reader_and_the_cache(self):
        data = image(2 * MIB + 5)
        path = os.path.join(os.path.dirname(self.directory), "file")
        with open(path, "wb") as file:
            file.write(data)
        sources = {
            "chunks": pieces(data, 1000),
            "bytes": data,
            "views": (memoryview(piece) for piece in pieces(data, MIB)),
            "file": open(path, "rb"),
            "memory": io.BytesIO(data),
        }
        for name, source in sources.items():
            with self.cache.caching_reader(name, source, size=len(data), md5=md5(data)) as reader:
                self.assertEqual(b"".join(reader), data)
            self.assertEqual(reader.outcome.kind, "cached")
            self.assertEqual(self.cache.open_for_read(name).read(), data)
        sources["file"].close()

    def test_an_exception_of_the_source_reaches_the_caller_itself_and_nothing_is_cached(self):
        for error in (Broken("ours"), OSError(5, "its own"), KeyboardInterrupt(), GeneratorExit()):
            def source():
                yield b"bytes"
                yield b"more"
                raise error

            for read in (
                lambda: list(self.cache.caching_reader("cirros", source())),
                lambda: self.cache.cache_image("cirros", source()),
                lambda: list(self.cache.get_or_fetch("cirros", source)),
            ):
                with self.assertRaises(type(error)) as caught:
                    read()
                self.assertIs(caught.exception, error)
                self.assertFalse(self.cache.is_cached("cirros") or self.cache.is_being_cached("cirros"))

    def test_the_last_chunk_is_withheld_until_the_image_is_verified(self):
        got = []
        with self.assertRaises(image_cache.ChecksumMismatch):
            for chunk in self.cache.caching_reader("cirros", [b"a", b"b", b"c"], md5=md5(b"abd")):
                got.append(chunk)
        self.assertEqual(got, [b"a", b"b"])
        with self.assertRaises(image_cache.SizeMismatch):
            list(self.cache.caching_reader("cirros", [b"abcd"], size=3))

    def test_a_source_may_use_its_buffer_again(self):
        def source():
            buffer = bytearray(4)
            for number in range(5):
                buffer[:] = b"%04d" % number
                yield buffer

        self.assertEqual(b"".join(self.cache.caching_reader("cirros", source())), b"00000001000200030004")

    def test_wrong_sources_are_named_and_nothing_is_cached(self):
        for wrong in ("text", ["text"], [5], [None], 7, io.StringIO("text")):
            with self.assertRaises(TypeError):
                list(self.cache.caching_reader("cirros", wrong))
        self.assertFalse(self.cache.is_cached("cirros") or self.cache.is_being_cached("cirros"))

    def test_a_source_may_use_the_cache_even_for_its_own_image(self):
        def source():
            yield b"a"
            self.assertTrue(self.cache.is_being_cached("outer"))
            self.assertEqual(list(self.cache.caching_reader("outer", [b"own"])), [b"own"])
            self.assertEqual(list(self.cache.get_or_fetch("inner", lambda: [b"inner"])), [b"inner"])
            self.assertEqual(self.cache.prune().images, 0)
            yield b"b"

        self.assertEqual(list(self.cache.get_or_fetch("outer", source)), [b"a", b"b"])
        self.assertTrue(self.cache.is_cached("outer") and self.cache.is_cached("inner"))

    def test_a_source_that_needs_its_own_image_gets_an_error_at_once(self):
        """The default patience for another writer is longer than the test waits."""
        def own():
            return self.cache.get_or_fetch("cirros", own)

        def followed():
            yield b"first"
            yield from self.cache.follow("cirros")

        def pushed():
            with self.cache.begin("cirros") as writer, writer.reading_source():
                return self.cache.follow("cirros").read(1)

        for read in (
            lambda: list(self.cache.get_or_fetch("cirros", own)),
            lambda: list(self.cache.get_or_fetch("cirros", lambda: list(own()))),
            lambda: list(self.cache.get_or_fetch("cirros", followed)),
            lambda: list(self.cache.caching_reader("cirros", followed())),
            lambda: self.cache.cache_image("cirros", followed()),
            lambda: list(self.cache.get_or_fetch("cirros", lambda: self.cache.get_or_fetch("other", own))),
            pushed,
        ):
            with self.assertRaises(image_cache.FetchFailed) as caught:
                within_wait(read)
            self.assertEqual((caught.exception.kind, caught.exception.image_id), ("Deadlock", "cirros"))
            self.assertEqual(self.cache.cache_size().images, 0)
            self.assertFalse(self.cache.is_being_cached("cirros"))

    def test_sources_that_need_each_other_s_images_get_an_error_at_once(self):
        names, barrier = ("a", "b", "c"), threading.Barrier(3)

        def source(name, start):
            start()
            needed = names[(names.index(name) + 1) % 3]
            yield from self.cache.get_or_fetch(needed, lambda: source(needed, lambda: None))

        def read(name):
            with self.assertRaises(image_cache.FetchFailed) as caught:
                list(self.cache.get_or_fetch(name, lambda: source(name, barrier.wait)))
            return caught.exception.kind

        kinds = within_wait(*(functools.partial(read, name) for name in names))
        self.assertEqual(kinds, ["Deadlock"] * 3)
        self.assertEqual(self.cache.cache_size().images, 0)

    def test_a_reader_of_the_thread_that_has_a_caching_reader_does_not_fail(self):
        """The source is not being read then: after its patience, the second reader reads its own source."""
        with self.open(other_writer_patience=1) as cache:
            with cache.caching_reader("cirros", [b"a", b"b", b"c"]) as first:
                next(first)
                self.assertEqual(b"".join(cache.get_or_fetch("cirros", lambda: [b"own"])), b"own")

    def test_a_cached_image_that_is_not_the_expected_one_is_not_served(self):
        self.cache.cache_image("cirros", b"old")
        for expected in ({"size": 4}, {"md5": md5(b"new!")}):
            reader = self.cache.get_or_fetch("cirros", lambda: [b"new!"], **expected)
            self.assertEqual((b"".join(reader), reader.route), (b"new!", "fetching"))
        reader = self.cache.get_or_fetch("cirros", None, size=3, md5=md5(b"old").upper())
        self.assertEqual((b"".join(reader), reader.route), (b"old", "cached"))

    def test_an_abandoned_reader_undoes_the_image(self):
        reader = self.cache.caching_reader("closed", [b"a", b"b", b"c"])
        next(reader)
        reader.close()
        self.assertEqual(list(reader), [])
        next(self.cache.caching_reader("dropped", [b"a", b"b", b"c"]))
        fetch = self.cache.get_or_fetch("fetched", lambda: [b"a", b"b", b"c"])
        next(fetch)
        fetch.close()
        for name in ("closed", "dropped", "fetched"):
            self.assertFalse(self.cache.is_cached(name) or self.cache.is_being_cached(name))

    def test_a_source_that_was_opened_is_closed(self):
        source = io.BytesIO(b"bytes")
        self.assertEqual(list(self.cache.get_or_fetch("cirros", lambda: source)), [b"bytes"])
        self.assertTrue(source.closed)


class Sharing(CacheTest):
    options = {"other_writer_patience": 2}

    def test_many_readers_of_one_image_read_the_source_once(self):
        data, opened, results = image(8 * MIB), [], []
        barrier = threading.Barrier(8)

        def source():
            opened.append(None)
            until(lambda: self.cache.counters()["shared"] == 7)
            yield from pieces(data, 100_000)

        def read():
            barrier.wait()
            if not opened:
                pass
            with self.cache.get_or_fetch("cirros", source, md5=md5(data)) as reader:
                results.append(b"".join(reader) == data)

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((results, len(opened)), ([True] * 8, 1))
        self.assertEqual(self.cache.hit_count("cirros"), 7)

    def follow(self, data, end):
        """Reads while another reader fetches the first half, and then ends in this way."""
        half = len(data) // 2
        writer = self.cache.begin("cirros")
        writer.write(data[:half])
        reader = self.cache.get_or_fetch("cirros", lambda: io.BytesIO(data), md5=md5(data))
        got = [next(reader)]
        self.assertEqual(reader.route, "shared")
        end(writer)
        got.extend(reader)
        return b"".join(got), reader

    def test_a_reader_goes_on_with_its_own_source_if_the_fetch_is_interrupted(self):
        data = image(4 * MIB)
        got, reader = self.follow(data, lambda writer: writer.abort())
        self.assertEqual((got == data, reader.route), (True, "fetching"))
        self.assertTrue(self.cache.is_cached("cirros"))

    def test_a_reader_goes_on_with_its_own_source_if_the_writer_stops(self):
        data = image(4 * MIB)
        got, reader = self.follow(data, lambda writer: None)
        self.assertEqual((got == data, reader.route), (True, "fetching"))

    def test_a_reader_reads_to_the_end_of_the_other_fetch(self):
        data = image(4 * MIB)

        def end(writer):
            writer.write(data[len(data) // 2 :])
            writer.finish()

        got, reader = self.follow(data, end)
        self.assertEqual((got == data, reader.route, reader.outcome.kind), (True, "shared", "already-cached"))

    def test_no_reader_gets_bytes_of_two_images(self):
        data = image(4 * MIB)
        writer = self.cache.begin("cirros")
        writer.write(image(2 * MIB, seed=2))
        reader = self.cache.get_or_fetch("cirros", lambda: io.BytesIO(data))
        next(reader)
        writer.abort()
        with self.assertRaisesRegex(image_cache.FetchFailed, "other bytes than that fetch"):
            list(reader)

    def test_a_reader_that_expects_more_than_the_fetch_does_not_get_another_image(self):
        data = image(4 * MIB)
        others = [{name: digest} for name, digest in digests(b"other").items()]
        for expected in ({"size": 5}, *others, {**digests(data), "sha512": digests(b"other")["sha512"]}):
            writer = self.cache.begin("cirros")
            writer.write(data[: 2 * MIB])
            reader = self.cache.get_or_fetch("cirros", lambda: self.fail("it is not opened"), **expected)
            got = [next(reader)]
            writer.write(data[2 * MIB :])
            writer.finish()
            with self.assertRaises(image_cache.VerificationFailed):
                got.extend(reader)
            self.assertLess(sum(map(len, got)), len(data))
            self.cache.delete_cached_image("cirros")

    def test_all_readers_of_a_wrong_image_get_the_same_error(self):
        writer = self.cache.begin("cirros", md5=md5(b"other"))
        writer.write(b"b" * 4 * MIB)
        reader = self.cache.get_or_fetch("cirros", lambda: self.fail("it is not opened"))
        next(reader)
        with self.assertRaises(image_cache.ChecksumMismatch):
            writer.finish()
        with self.assertRaises(image_cache.ChecksumMismatch):
            list(reader)


if __name__ == "__main__":
    unittest.main()
