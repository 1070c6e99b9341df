"""The operations, the options and the errors."""

import ast
import datetime
import inspect
import os
import pathlib

import image_cache
from image_cache import Cache, _native
from support import CacheTest, image, md5, run_program


class Operations:
    def test_an_image_is_cached_listed_counted_and_deleted(self):
        data = image(3000)
        outcome = self.cache.cache_image("cirros", data, size=3000, md5=md5(data))
        self.assertEqual((outcome.kind, outcome.is_cached), ("cached", True))
        self.assertEqual(self.cache.cache_image("cirros", [b"other"]).kind, "already-cached")
        self.assertTrue(self.cache.is_cached("cirros") and not self.cache.is_cacheable("cirros"))
        with self.cache.open_for_read("cirros") as file:
            self.assertEqual(file.read(), data)
        self.assertEqual(self.cache.hit_count("cirros"), 1)
        (record,) = self.cache.cached_images()
        self.assertEqual((record.image_id, record.size, record.hits, record.checksum), ("cirros", 3000, 1, md5(data)))
        self.assertEqual(record, self.cache.cached_image("cirros"))
        self.assertEqual(self.cache.cache_size(), (1, 3000))
        self.assertEqual((self.cache.image_size("cirros"), self.cache.image_size("none")), (3000, None))
        self.assertEqual(self.cache.verify("cirros"), (3000, "fetched"))
        self.assertEqual(self.cache.counters()["fills_cached"], 1)
        self.assertTrue(self.cache.delete_cached_image("cirros"))
        self.assertFalse(self.cache.delete_cached_image("cirros"))
        self.assertIsNone(self.cache.open_for_read("cirros"))

    def test_the_queue_keeps_its_order(self):
        for name in ("z", "a", "m"):
            self.assertTrue(self.cache.queue_image(name))
        self.assertFalse(self.cache.queue_image("a"))
        self.assertEqual(self.cache.queued_images(), ["z", "a", "m"])
        self.cache.cache_image("a", b"a")
        self.assertTrue(self.cache.is_queued("z") and not self.cache.is_queued("a"))
        self.assertTrue(self.cache.delete_queued_image("z"))
        self.assertEqual(self.cache.delete_all_queued_images(), 1)

    def test_prune_evicts_the_least_recently_used_and_clean_removes_leftovers(self):
        cache = self.open(max_size=2000)
        for name in ("first", "second", "third"):
            cache.cache_image(name, image(1000))
        with cache.open_for_read("first") as file:
            file.read()
        self.assertEqual(cache.prune(), (1, 1000, []))
        self.assertEqual([record.image_id for record in cache.cached_images()], ["first", "third"])
        with self.assertRaises(image_cache.SizeMismatch):
            cache.cache_image("wrong", b"bytes", size=4)
        self.assertEqual(self.names("invalid"), ["wrong"])
        cleaned = cache.clean(stall_time=0)
        self.assertEqual((cleaned.invalid, cleaned.incomplete), (1, 0))
        self.assertEqual(cache.delete_all_cached_images(), 2)


class Sqlite(Operations, CacheTest):
    def test_a_driver_that_cannot_be_used_is_replaced_and_the_log_says_why(self):
        with self.assertLogs("image_cache", "WARNING") as log:
            cache = self.open(driver="centralized_db")
        driver = cache.driver()
        self.assertEqual((driver.name, driver.configured), ("sqlite", "centralized_db"))
        self.assertTrue(driver.reason)
        self.assertIn("centralized_db", log.output[0])


class Xattr(Operations, CacheTest):
    options = {"driver": "xattr"}

    def test_it_is_the_driver_in_use(self):
        self.assertEqual(self.cache.driver()[::2], ("xattr", None))


class Options(CacheTest):
    def test_values_of_many_types_are_accepted(self):
        cache = self.open(
            max_size="1 GiB",
            image_cache_stall_time=datetime.timedelta(hours=1),
            hit_delay=0.5,
            hard_limit=True,
            driver=None,
            sqlite_db=pathlib.Path("other.db"),
        )
        cache.cache_image("a", b"bytes")
        self.assertTrue(os.path.exists(self.path("other.db")))

    def test_all_faults_are_reported_with_what_is_accepted(self):
        with self.assertRaises(image_cache.ConfigError) as caught:
            self.open(max_sise=1, driver=[])
        self.assertEqual(len(caught.exception.faults), 2)
        self.assertIn("did you mean max_size?", str(caught.exception))
        with self.assertRaises(image_cache.ConfigError) as caught:
            self.open(max_size="much", verify_reads="perhaps")
        self.assertEqual(len(caught.exception.faults), 2)
        self.assertIn("true or false", str(caught.exception))
        with self.assertRaisesRegex(ValueError, "image_cache_dir"):
            Cache()

    def test_a_file_is_read_and_options_beat_it(self):
        path = os.path.join(os.path.dirname(self.directory), "cache.toml")
        with open(path, "w") as file:
            file.write(f'image_cache_dir = "{self.directory}"\nimage_cache_driver = "xattr"\n')
        with Cache(config=path) as cache:
            self.assertEqual(cache.driver().name, "xattr")
        with Cache(config=path, driver="sqlite") as cache:
            self.assertEqual(cache.driver().name, "sqlite")

    def test_a_directory_that_cannot_be_used_is_an_os_error_with_its_reason(self):
        path = os.path.join(os.path.dirname(self.directory), "file")
        with open(path, "w"):
            pass
        with self.assertRaises(image_cache.DirectoryError) as caught:
            Cache(os.path.join(path, "below"))
        error = caught.exception
        self.assertIsInstance(error, OSError)
        self.assertTrue(error.path.startswith(path) and error.remedy and error.errno)


class Errors(CacheTest):
    def test_an_id_that_is_not_accepted_is_named_everywhere(self):
        for work in (
            self.cache.is_cached,
            self.cache.open_for_read,
            self.cache.queue_image,
            self.cache.begin,
            self.cache.follow,
            lambda name: self.cache.cache_image(name, [b"bytes"]),
            lambda name: self.cache.get_or_fetch(name, list),
        ):
            for name in ("", "../x", ".hidden", "cache.db", "a/b", "x" * 256, "nul\0"):
                with self.assertRaises(image_cache.InvalidImageId):
                    work(name)
        with self.assertRaises(TypeError):
            self.cache.is_cached(None)
        with self.assertRaises(UnicodeEncodeError):
            self.cache.is_cached("\ud800")

    def test_a_closed_cache_says_so_and_closing_twice_is_no_error(self):
        reader = self.cache.caching_reader("cirros", [b"a", b"b"])
        self.cache.close()
        self.cache.close()
        with self.assertRaisesRegex(image_cache.Closed, "the cache is closed"):
            self.cache.is_cached("cirros")
        self.assertEqual(list(reader), [b"a", b"b"], "an open reader goes on")
        self.assertTrue(self.open().is_cached("cirros"))

    def test_damage_is_found_and_the_image_is_no_longer_cached(self):
        self.cache.cache_image("cirros", image(5000))
        with open(self.path("cirros"), "r+b") as file:
            file.seek(4000)
            file.write(b"damage")
        with self.assertRaises(image_cache.Corrupt) as caught:
            with self.cache.open_for_read("cirros") as file:
                file.read()
        self.assertEqual((caught.exception.image_id, caught.exception.remedy), ("cirros", "fetch it again"))
        self.assertFalse(self.cache.is_cached("cirros"))


    def test_an_error_has_its_reason_as_a_word(self):
        self.cache.cache_image("cirros", image(3_000_000))
        with open(self.path("cirros"), "r+b") as file:
            file.seek(2_000_000)
            file.write(b"damage")
        with self.assertRaises(image_cache.Corrupt) as caught:
            self.cache.verify("cirros")
        error = caught.exception
        self.assertEqual((error.damage, error.found), ("bytes", None))
        self.assertTrue(error.start <= 2_000_000 < error.end <= 3_000_000)
        self.cache.cache_image("cirros", image(5000))
        os.truncate(self.path("cirros"), 4000)
        with self.assertRaises(image_cache.Corrupt) as caught:
            self.cache.open_for_read("cirros").read()
        self.assertIn(caught.exception.damage, ("size", "cut-short"))
        self.assertEqual(caught.exception.expected, 5000)

        writer = self.cache.begin("cirros")
        writer.write(image(3 << 20))
        file = self.cache.follow("cirros")
        file.read(1)
        writer.abort()
        with self.assertRaises(image_cache.FetchFailed) as caught:
            while file.read(1 << 20):
                pass
        self.assertEqual((caught.exception.loss, caught.exception.image_id), ("abandoned", "cirros"))

    def test_a_failure_of_the_driver_has_its_reason_as_a_word(self):
        with self.assertRaises(image_cache.MetadataError) as caught:
            self.cache.reconfigure(driver="none-of-this-name")
        self.assertIsInstance(caught.exception, image_cache.MetadataError)
        self.assertEqual((caught.exception.reason, self.cache.driver().name), ("not-loaded", "sqlite"))


class Reconfiguring(CacheTest):
    def test_options_change_while_the_cache_is_open(self):
        self.cache.cache_image("cirros", image(5000))
        self.assertEqual(self.cache.prune().images, 0)
        driver = self.cache.reconfigure(max_size=1000, hit_delay=0.5)
        self.assertEqual(driver.name, "sqlite")
        self.assertEqual(self.cache.prune().images, 1)
        self.cache.cache_image("cirros", b"bytes")
        self.assertEqual(self.cache.reconfigure(driver="xattr").name, "xattr")
        self.assertTrue(self.cache.is_cached("cirros"))
        self.assertEqual(self.cache.cached_image("cirros").size, 5)

    def test_a_fault_is_named_and_nothing_is_changed(self):
        self.cache.cache_image("cirros", image(5000))
        for options, words in (
            ({"max_sise": 5}, "max_size"),
            ({"max_size": "much", "hit_delay": "soon", "verify_reads": False}, "image_cache_hit_delay"),
            ({"max_size": 1, "dir": "/elsewhere"}, "open another cache"),
            ({"max_size": 1, "driver": None}, "driver is None"),
        ):
            with self.assertRaises(image_cache.ConfigError) as caught:
                self.cache.reconfigure(**options)
            self.assertIn(words, str(caught.exception))
            self.assertTrue(caught.exception.faults)
            self.assertEqual(self.cache.prune().images, 0)

    def test_a_change_keeps_the_other_options(self):
        with self.open(driver="xattr", max_size=100) as cache:
            cache.reconfigure(hit_delay=1)
            cache.cache_image("cirros", image(5000))
            self.assertEqual((cache.driver().name, cache.prune().images), ("xattr", 1))


def parameters(value):
    """The parameters, as text; None for a property."""
    if inspect.isgetsetdescriptor(value):
        return None
    return [str(each) for each in inspect.signature(value).parameters.values()]


def parameters_of_stub(function):
    """The same from the text of a stub."""
    if any(isinstance(each, ast.Name) and each.id == "property" for each in function.decorator_list):
        return None
    names = [each.arg for each in function.args.args]
    defaults = ["=" + ast.unparse(default) for default in function.args.defaults]
    return [name + default for name, default in zip(names, [""] * (len(names) - len(defaults)) + defaults)]


class Package(CacheTest):
    def test_the_stubs_have_what_the_native_part_has(self):
        """The same classes, functions and properties, with the same parameters and defaults."""
        stub = pathlib.Path(image_cache.__file__).with_name("_native.pyi").read_text()
        stated = {}
        for node in ast.parse(stub).body:
            if isinstance(node, ast.ClassDef):
                stated[node.name] = {each.name: parameters_of_stub(each) for each in node.body}
            elif isinstance(node, ast.FunctionDef):
                stated[node.name] = parameters_of_stub(node)
        found = {}
        for name, value in vars(_native).items():
            if isinstance(value, type):
                public = {key: each for key, each in vars(value).items() if not key.startswith("_")}
                found[name] = {key: parameters(each) for key, each in public.items()}
                if "__new__" in stated.get(name, {}):
                    found[name]["__new__"] = ["cls", *parameters(value)]
            elif not name.startswith("_"):
                found[name] = parameters(value)
        self.assertEqual(found, stated)

    def test_everything_public_has_a_docstring(self):
        for name in image_cache.__all__:
            value = getattr(image_cache, name)
            self.assertTrue(value.__doc__, name)
            bases = [base for base in value.__mro__ if base.__module__.startswith("image_cache")]
            members = [member for base in bases for member in vars(base).items()]
            for member, function in members:
                if not member.startswith("_") and callable(function):
                    is_known = any(hasattr(base, member) for base in value.__mro__[1:])
                    self.assertTrue(function.__doc__ or is_known, f"{name}.{member}")

    def test_the_example_in_the_documentation_of_the_package_runs(self):
        result = run_program(
            """
            import doctest, image_cache, image_cache.aio
            for module in (image_cache, image_cache.aio):
                failed, tried = doctest.testmod(module)
                assert not failed and tried > 3, (module, failed, tried)
            """
        )
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    import unittest

    unittest.main()
