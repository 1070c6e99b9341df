"""Runs Glance's own unit tests of its image cache against `image_cache.glance`.

    python glance_unit_tests.py [MODULE]...

Needs Glance and what its tests need (`GLANCE_TESTS` in `xtask/src/python.rs`). Prints the result of each test that does not pass. Fails if
a test fails that is not listed below, if a listed one passes, or if fewer tests ran than there are.
"""

import importlib
import sys
import unittest
import warnings

warnings.simplefilter("ignore")

MODULES = ["glance.tests.unit.test_image_cache"]

LEFTOVER = (
    "a file in incomplete/ without a live writer is a leftover: it is not being cached, and its image can be queued at once"
)
OF_CENTRALIZED_DB = "it tests the code of the driver centralized_db, which sqlite replaces"
OF_FILEUTILS = "it makes oslo's function that deletes files fail, which is not used here"

EXPECTED = {
    "TestImageCacheSqlite.test_queue": LEFTOVER,
    "TestImageCacheXattr.test_queue": LEFTOVER,
    "TestImageCacheCentralizedDb.test_queue": LEFTOVER,
    "TestImageCacheCentralizedDb.test_node_reference_create_duplicate": OF_CENTRALIZED_DB,
    "TestImageCacheCentralizedDb.test_clean_stalled_fails": OF_FILEUTILS,
}


def substitute():
    """Glance's own code finds our class where its own was."""
    import glance.image_cache
    import image_cache.glance

    glance.image_cache.ImageCache = image_cache.glance.ImageCache


def name_of(test):
    return ".".join(test.id().split(".")[-2:])


def main():
    substitute()
    modules = sys.argv[1:] or MODULES
    suite = unittest.TestSuite()
    for module in modules:
        suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(module)))
    result = unittest.TextTestRunner(verbosity=1, buffer=True).run(suite)
    failed = {name_of(test) for test, _ in result.failures + result.errors}
    skipped = {name_of(test): reason for test, reason in result.skipped}
    expected = EXPECTED if modules == MODULES else {}
    for name in sorted(failed):
        print(f"{'expected' if name in expected else 'FAILED'}: {name}: {expected.get(name, 'not expected')}")
    for name, reason in sorted(skipped.items()):
        print(f"skipped: {name}: {reason}")
    passed = result.testsRun - len(failed) - len(skipped)
    print(f"{passed} of {result.testsRun} of Glance's tests pass")
    unexpected = failed ^ set(expected)
    if unexpected or skipped:
        sys.exit(f"not as listed: {', '.join(sorted(unexpected | set(skipped)))}")


if __name__ == "__main__":
    main()
