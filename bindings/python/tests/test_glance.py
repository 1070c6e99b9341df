"""The class for Glance, without Glance: its options come from a mapping."""

import io
import os
import threading
import unittest

from image_cache import glance
from support import CacheTest, image, in_child, md5, pieces, until

MIB = 1 << 20


class Store(Exception):
    """An exception of the store, which Glance's own cache would swallow."""


class ForGlance(CacheTest):
    def setUp(self):
        super().setUp()
        self.conf = {"image_cache_dir": self.directory, "image_cache_driver": "sqlite", "image_cache_max_size": 5000}
        self.images = self.glance()

    def glance(self, **options):
        return glance.ImageCache({**self.conf, **options}, other_writer_patience=2)

    def read(self, image_id):
        with self.images.open_for_read(image_id) as file:
            return b"".join(file)

    def test_an_image_is_cached_read_listed_queued_and_deleted(self):
        data = image(1000)
        self.assertTrue(self.images.queue_image(1))
        self.assertEqual((self.images.get_queued_images(), self.images.is_queued(1)), (["1"], True))
        self.assertTrue(self.images.cache_image_file(1, io.BytesIO(data)))
        self.assertFalse(self.images.cache_image_file(1, io.BytesIO(data)), "it is cached already")
        self.assertTrue(self.images.is_cached(1) and not self.images.is_queued(1))
        self.assertEqual((self.read(1), self.images.get_image_size(1)), (data, 1000))
        (record,) = self.images.get_cached_images()
        self.assertEqual((record["image_id"], record["size"], record["hits"]), ("1", 1000, 1))
        self.assertEqual(set(record), {"image_id", "size", "hits", "last_accessed", "last_modified"})
        self.assertEqual((self.images.get_hit_count(1), self.images.get_cache_size()), (1, 1000))
        self.assertEqual(self.images.driver.get_least_recently_accessed(), ("1", 1000))
        self.images.delete_cached_image(1)
        self.images.delete_cached_image(1)
        self.assertIsNone(self.images.driver.get_least_recently_accessed())
        for work in (self.read, self.images.get_image_size):
            with self.assertRaises(FileNotFoundError):
                work(1)
        self.images.queue_image("a")
        self.images.queue_image("b")
        self.images.delete_queued_image("a")
        self.assertEqual((self.images.delete_all_queued_images(), self.images.delete_all_cached_images()), (1, 0))

    def test_options_take_effect_when_they_change(self):
        for name in range(10):
            self.images.cache_image_iter(name, [image(1000)])
        self.assertEqual(self.images.prune(), (5, 5000))
        self.images.conf["image_cache_max_size"] = 0
        self.assertEqual(self.images.prune(), (5, 5000))

    def test_the_chunks_are_the_store_s_and_the_last_one_waits_for_the_checksum(self):
        chunks = [b"a", b"b", b"c"]
        self.assertEqual(list(self.images.get_caching_iter(1, md5(b"abc"), iter(chunks))), chunks)
        self.assertEqual(list(self.images.get_caching_iter(1, md5(b"abc"), chunks)), chunks, "it is cached")
        for checksum in (md5(b"abd"), "foobar"):
            got = []
            with self.assertRaises(glance.GlanceException) as caught:
                for chunk in self.images.get_caching_iter(2, checksum, iter(chunks)):
                    got.append(chunk)
            self.assertNotIn(b"c", got)
            self.assertIn(checksum, str(caught.exception))
            self.assertFalse(self.images.is_cached(2))
        self.assertTrue(self.images.cache_image_iter(3, iter(chunks), None))

    def test_an_image_without_a_checksum_is_cached_unchecked(self):
        """Glance's record of an image may have no checksum, or an empty one."""
        for name, checksum in enumerate((None, "")):
            self.assertEqual(list(self.images.get_caching_iter(name, checksum, iter([b"a", b"b"]))), [b"a", b"b"])
            self.assertEqual(self.read(name), b"ab")
            with self.images.driver.open_for_write(f"pushed-{name}", checksum) as file:
                file.write(b"pushed")
            self.assertTrue(self.images.is_cached(f"pushed-{name}"))

    def test_an_exception_of_the_store_reaches_the_client_itself_and_nothing_is_cached(self):
        error = Store("ours")

        def chunks():
            yield b"a"
            yield b"b"
            raise error

        with self.assertRaises(Store) as caught:
            list(self.images.get_caching_iter(1, None, chunks()))
        self.assertIs(caught.exception, error)
        self.assertFalse(self.images.is_cached(1))
        self.assertEqual(self.names("invalid"), ["1"])
        self.images.clean()
        self.assertEqual(self.names("invalid"), [])

    def test_clients_of_one_cold_image_share_a_read_of_the_store(self):
        data, read, results = image(4 * MIB), [], []

        def chunks():
            for piece in pieces(data, 64 << 10):
                read.append(len(piece))
                yield piece
                if len(read) == 10:
                    until(lambda: self.images.driver.cache.counters()["shared"] == 3)

        def client():
            results.append(b"".join(self.images.get_caching_iter(1, md5(data), chunks())) == data)

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((results, sum(read)), ([True] * 4, len(data)))

    def test_a_client_goes_on_with_its_own_read_if_the_first_client_leaves_or_stops(self):
        data = image(4 * MIB)
        for name, leave in [("leaves", lambda first: first.close()), ("stops", lambda first: None)]:
            first = self.images.get_caching_iter(name, md5(data), iter(pieces(data, MIB)))
            second = self.images.get_caching_iter(name, md5(data), iter(pieces(data, 1000)))
            next(first)
            got = [next(second)]
            leave(first)
            self.assertEqual(b"".join([*got, *second]), data)
            first.close()

    def test_a_driver_that_we_do_not_have_is_replaced_with_a_warning(self):
        with self.assertLogs("image_cache", "WARNING") as log:
            images = self.glance(image_cache_driver="centralized_db")
        self.assertIn("the driver centralized_db of the image cache cannot be used, and sqlite replaces it", "".join(log.output))
        self.assertTrue(images.cache_image_iter(1, [b"a"]))

    def test_faulty_options_are_a_bad_configuration(self):
        for options in ({"image_cache_dir": None}, {"image_cache_max_size": -1}, {"image_cache_dir": "/dev/null/x"}):
            with self.assertRaises(glance.BadDriverConfiguration):
                self.glance(**options)

    def test_a_question_about_a_wrong_id_or_a_broken_cache_is_answered_with_no(self):
        with self.assertLogs("image_cache.glance", "WARNING"):
            self.assertFalse(self.images.is_cached("../../etc/passwd"))
            self.assertFalse(self.images.is_queued(".hidden"))
        self.images.delete_cached_image("../../etc/passwd")
        self.images.delete_queued_image(".hidden")

    def test_this_node_is_the_one_that_has_the_image(self):
        self.images.cache_image_iter(1, [b"a"])
        self.assertEqual(self.images.get_cached_nodes(1), [])
        images = self.glance(worker_self_reference_url="http://node")
        self.assertEqual((images.get_cached_nodes(1), images.get_cached_nodes(2)), (["http://node"], []))

    def test_a_driver_without_the_cache_serves_the_bytes(self):
        class Failing:
            def open_for_write(self, *_arguments):
                raise OSError("the disk is gone")

        self.images.driver = Failing()
        with self.assertLogs("image_cache.glance", "ERROR"):
            self.assertEqual(list(self.images.get_caching_iter(1, None, iter([b"a", b"b"]))), [b"a", b"b"])

    def test_a_forked_worker_uses_it(self):
        self.images.cache_image_iter(1, [b"parent"])

        def work():
            assert self.read(1) == b"parent"
            assert list(self.images.get_caching_iter(2, None, iter([b"a", b"b"]))) == [b"a", b"b"]
            assert self.images.is_cached(2)

        self.assertEqual(in_child(work), "")
        self.assertEqual(self.read(2), b"ab")

    def test_it_works_in_writing_by_hand_as_drivers_of_glance_do(self):
        with self.images.driver.open_for_write("1") as file:
            file.write(b"a")
        self.assertTrue(self.images.is_cached("1"))
        with self.assertRaises(OSError):
            with self.images.driver.open_for_write("2"):
                raise OSError
        self.assertTrue(os.path.exists(self.images.driver.get_image_filepath("2", "invalid")))


if __name__ == "__main__":
    unittest.main()
