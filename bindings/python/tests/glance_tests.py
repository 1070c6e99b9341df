"""Runs Glance's own tests of its image cache with `image_cache.glance.ImageCache` in the place of Glance's class.

    python glance_tests.py unit
    python glance_tests.py functional

Needs Glance and what its tests need (`GLANCE` in `xtask/src/python.rs`). Prints each test that does not pass. Fails if a test fails that is
not listed below with its reason, or if a listed one passes or is missing.
"""

import importlib
import logging
import os
import pathlib
import sys
import unittest
import warnings

warnings.simplefilter("ignore")

LEFTOVER = (
    "a file in incomplete/ without a live writer is a leftover: it is not being cached, and its image can be queued at once"
)
OF_CENTRALIZED_DB = "it tests the driver centralized_db, which sqlite replaces"
OF_FILEUTILS = "it makes oslo's function that deletes files fail, which is not used here"

SUITES = {
    "unit": (
        ["glance.tests.unit.test_image_cache"],
        {
            "TestImageCacheSqlite.test_queue": LEFTOVER,
            "TestImageCacheXattr.test_queue": LEFTOVER,
            "TestImageCacheCentralizedDb.test_queue": LEFTOVER,
            "TestImageCacheCentralizedDb.test_node_reference_create_duplicate": OF_CENTRALIZED_DB,
            "TestImageCacheCentralizedDb.test_clean_stalled_fails": OF_FILEUTILS,
        },
    ),
    "functional": (
        [
            "glance.tests.functional.test_cache_middleware",
            "glance.tests.functional.v2.test_cache_api",
            "glance.tests.functional.v2.test_cache_api_policy",
        ],
        {},
    ),
}


def prepare():
    """Glance's own code finds our class where its own was; its tests find their files and options."""
    import glance.db.sqlalchemy.api
    import glance.image_cache
    import image_cache.glance
    from oslo_config import cfg
    from oslo_db import options

    glance.image_cache.ImageCache = image_cache.glance.ImageCache
    # In a whole run, tests of other modules do this first.
    options.set_defaults(cfg.CONF)
    # Its tests open their files relative to this directory.
    os.chdir(pathlib.Path(glance.__file__).parents[1])


def name_of(test):
    return ".".join(test.id().split(".")[-2:])


def main():
    modules, expected = SUITES[sys.argv[1]]
    prepare()
    suite = unittest.TestSuite()
    for module in modules:
        suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(module)))
    result = unittest.TextTestRunner(verbosity=1, buffer=True).run(suite)
    logging.disable(logging.CRITICAL)
    failed = {name_of(test) for test, _ in result.failures + result.errors}
    skipped = {name_of(test): reason for test, reason in result.skipped}
    for name in sorted(failed):
        print(f"{'expected' if name in expected else 'FAILED'}: {name}: {expected.get(name, 'not expected')}")
    for name, reason in sorted(skipped.items()):
        print(f"skipped: {name}: {reason}")
    passed = result.testsRun - len(failed) - len(skipped)
    print(f"{passed} of {result.testsRun} of Glance's {sys.argv[1]} tests pass")
    unexpected = failed ^ set(expected) | set(skipped)
    if unexpected:
        sys.exit(f"not as listed: {', '.join(sorted(unexpected))}")


if __name__ == "__main__":
    main()
