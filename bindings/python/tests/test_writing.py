"""Push writing, and its wrong uses."""

import io
import shutil
import unittest

import image_cache
from support import CacheTest, digests, image, md5, pieces

MIB = 1 << 20


class Writing(CacheTest):
    def test_pushed_bytes_are_cached_when_they_are_finished(self):
        data = image(2 * MIB + 99)
        writer = self.cache.begin("cirros", size=len(data), md5=md5(data))
        for piece in (data[:1], memoryview(data)[1:MIB], bytearray(data[MIB:]), b""):
            self.assertEqual(writer.write(piece), len(piece))
        self.assertTrue(self.cache.is_being_cached("cirros") and not self.cache.is_cached("cirros"))
        self.assertEqual(writer.finish().kind, "cached")
        self.assertEqual(writer.outcome.kind, "cached")
        self.assertEqual(self.cache.open_for_read("cirros").read(), data)

    def test_an_empty_image_is_an_image(self):
        self.assertEqual(self.cache.begin("empty").finish().kind, "cached")
        self.assertEqual(self.cache.open_for_read("empty").read(), b"")
        self.assertEqual(list(self.cache.get_or_fetch("empty", None)), [])
        self.assertEqual(list(self.cache.caching_reader("empty too", [b"", b""])), [])
        self.assertEqual(self.cache.image_size("empty too"), 0)

    def test_it_is_a_file_that_copies_can_write_to(self):
        data = image(MIB + 1)
        with self.cache.begin("cirros") as writer:
            self.assertIsInstance(writer, io.RawIOBase)
            self.assertTrue(writer.writable() and not writer.readable())
            shutil.copyfileobj(io.BytesIO(data), writer)
        self.assertEqual(self.cache.open_for_read("cirros").read(), data)

    def test_a_finished_writer_says_so_whatever_is_called_again(self):
        writer = self.cache.begin("cirros")
        writer.write(b"bytes")
        writer.finish()
        for again in (writer.finish, lambda: writer.write(b"more")):
            with self.assertRaisesRegex(image_cache.Closed, "the writer of image cirros is finished"):
                again()
        writer.abort()
        writer.close()
        self.assertTrue(self.cache.is_cached("cirros"), "abort after finish does nothing")

    def test_an_aborted_a_dropped_and_a_failed_writer_undo_the_image(self):
        writer = self.cache.begin("aborted")
        writer.write(b"bytes")
        writer.abort()
        writer.abort()
        with self.assertRaisesRegex(image_cache.Closed, "the writer of image aborted was aborted"):
            writer.finish()
        self.cache.begin("dropped").write(b"bytes")
        with self.assertRaises(KeyError):
            with self.cache.begin("raised") as writer:
                writer.write(b"bytes")
                raise KeyError("ours")
        for name in ("aborted", "dropped", "raised"):
            self.assertFalse(self.cache.is_cached(name) or self.cache.is_being_cached(name))
            self.assertEqual(self.cache.cache_image(name, b"again").kind, "cached")

    def test_wrong_bytes_are_not_cached_and_the_error_has_both_values(self):
        writer = self.cache.begin("cirros", md5=md5(b"right"))
        writer.write(b"wrong")
        with self.assertRaises(image_cache.ChecksumMismatch) as caught:
            writer.finish()
        self.assertEqual((caught.exception.expected, caught.exception.found), (md5(b"right"), md5(b"wrong")))
        with self.assertRaisesRegex(image_cache.Closed, "the writer of image cirros has failed"):
            writer.finish()
        writer = self.cache.begin("short", size=10)
        writer.write(b"12345")
        with self.assertRaises(image_cache.SizeMismatch) as caught:
            writer.finish()
        self.assertEqual((caught.exception.expected, caught.exception.found), (10, 5))
        writer = self.cache.begin("long", size=4)
        with self.assertRaises(image_cache.SizeMismatch):
            writer.write(b"12345")
        with self.assertRaisesRegex(image_cache.Closed, "has failed"):
            writer.write(b"6")
        self.assertEqual(self.cache.cache_size().images, 0)

    def test_all_expected_checksums_are_verified(self):
        data, wrong = image(MIB + 5), digests(b"other")
        self.assertEqual(self.cache.cache_image("right", data, **digests(data)).kind, "cached")
        upper = {name: digest.upper() for name, digest in digests(data).items()}
        self.assertEqual(list(self.cache.caching_reader("upper", [data], **upper)), [data])
        for name in wrong:
            expected = {**digests(data), name: wrong[name]}
            for work in (
                lambda: self.cache.cache_image("wrong", data, **expected),
                lambda: list(self.cache.caching_reader("wrong", [data], **expected)),
                lambda: list(self.cache.get_or_fetch("wrong", lambda: [data], **expected)),
            ):
                with self.assertRaises(image_cache.ChecksumMismatch) as caught:
                    work()
                found = (caught.exception.expected, caught.exception.found)
                self.assertEqual(found, (wrong[name], digests(data)[name]))
        self.assertFalse(self.cache.is_cached("wrong") or self.cache.is_being_cached("wrong"))

    def test_wrong_arguments_are_named(self):
        for name, length in (("md5", 32), ("sha256", 64), ("sha512", 128)):
            for digest in ("", "foobar", "0" * (length - 1), "0" * (length + 1), "z" * length):
                for work in (
                    lambda expected: self.cache.begin("cirros", **expected),
                    lambda expected: self.cache.cache_image("cirros", [b"bytes"], **expected),
                    lambda expected: self.cache.caching_reader("cirros", [b"bytes"], **expected),
                    lambda expected: self.cache.get_or_fetch("cirros", lambda: [b"bytes"], **expected),
                ):
                    with self.assertRaises(image_cache.InvalidChecksum) as caught:
                        work({name: digest})
                    self.assertIn(f"{length} hexadecimal digits", str(caught.exception))
        with self.assertRaises(OverflowError):
            self.cache.begin("cirros", size=-1)
        writer = self.cache.begin("cirros")
        for wrong in ("text", 5, None, memoryview(b"1234")[::2]):
            with self.assertRaises((TypeError, BufferError)):
                writer.write(wrong)
        writer.write(b"right")
        self.assertEqual(writer.finish().kind, "cached")

    def test_a_second_writer_only_verifies_and_neither_disturbs_the_other(self):
        data = image(MIB)
        first, second = self.cache.begin("cirros"), self.cache.begin("cirros", md5=md5(data))
        for piece in pieces(data, 1000):
            first.write(piece)
            second.write(piece)
        self.assertEqual(second.finish().kind, "being-cached")
        self.assertEqual(first.finish().kind, "cached")
        self.assertEqual(self.cache.begin("cirros").finish().kind, "already-cached")
        self.assertEqual(self.cache.open_for_read("cirros").read(), data)


if __name__ == "__main__":
    unittest.main()
