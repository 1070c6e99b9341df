"""Compares `image_cache.glance.ImageCache` with Glance's own class, in one process, in alternating rounds.

    python against_glance.py DIR [--size MIB] [--rounds N] [--driver sqlite]

Prints for each row the medians and the ratio, which is above 1 if ours is faster. Needs the wheel and Glance in one environment
(`target/python/glance` after `cargo xtask python`), and an idle machine. Ours syncs and verifies; Glance's does neither: in the rows
"flushed", the benchmark syncs Glance's file.
"""

import argparse
import hashlib
import logging
import os
import statistics
import time
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from glance import image_cache as theirs
from oslo_config import cfg

from image_cache import glance as ours

MIB = 1 << 20
SMALL = 64 << 10
SMALL_READS = 200


class Image:
    """A large image: the same MiB repeated."""

    def __init__(self, size):
        self.size = size
        self.block = bytes(at * 31 % 251 for at in range(MIB))
        digest = hashlib.md5()
        for _ in range(size // MIB):
            digest.update(self.block)
        self.md5 = digest.hexdigest()

    def chunks(self, chunk):
        view = memoryview(self.block)
        pieces = [bytes(view[at : at + chunk]) for at in range(0, MIB, chunk)]
        for _ in range(self.size // MIB):
            yield from pieces


def tee(cache, image, chunk):
    for _ in cache.get_caching_iter("tee", image.md5, image.chunks(chunk)):
        pass
    return image.size / MIB


def tee_flushed(cache, image, chunk):
    """Until the image is on disk: ours is then, when the iterator ends."""
    tee(cache, image, chunk)
    if not isinstance(cache, ours.ImageCache):
        with open(os.path.join(cfg.CONF.image_cache_dir, "tee"), "rb") as file:
            os.fsync(file.fileno())
    return image.size / MIB


def untee(cache):
    assert cache.is_cached("tee")
    cache.delete_cached_image("tee")


def readinto(cache, image):
    buffer = bytearray(MIB)
    with cache.open_for_read("large") as file:
        while file.readinto(buffer):
            pass
    return image.size / MIB


def read(cache, image, chunk):
    with cache.open_for_read("large") as file:
        while file.read(chunk):
            pass
    return image.size / MIB


def read_small(cache, _image):
    buffer = bytearray(SMALL)
    for number in range(SMALL_READS):
        with cache.open_for_read(f"small-{number}") as file:
            assert file.readinto(buffer) == SMALL
    return SMALL_READS


def rows(image):
    yield "tee, chunks of 64 KiB, flushed", "MiB/s", lambda cache: tee_flushed(cache, image, 64 << 10), untee
    yield "tee, chunks of 1 MiB, flushed", "MiB/s", lambda cache: tee_flushed(cache, image, MIB), untee
    yield "tee, chunks of 64 KiB, synced (Glance: not)", "MiB/s", lambda cache: tee(cache, image, 64 << 10), untee
    yield "tee, chunks of 1 MiB, synced (Glance: not)", "MiB/s", lambda cache: tee(cache, image, MIB), untee
    yield "warm readinto, 1 MiB, verified (Glance: not)", "MiB/s", lambda cache: readinto(cache, image), None
    yield "warm read, 64 KiB, verified (Glance: not)", "MiB/s", lambda cache: read(cache, image, 64 << 10), None
    yield "warm readinto of whole images of 64 KiB", "images/s", lambda cache: read_small(cache, image), None


def open_both(directory, driver):
    cfg.CONF([], project="glance", default_config_files=[], default_config_dirs=[])
    cfg.CONF.set_override("image_cache_driver", driver)
    cfg.CONF.set_override("image_cache_dir", os.path.join(directory, "theirs"))
    glance = theirs.ImageCache()
    conf = {"image_cache_dir": os.path.join(directory, "ours"), "image_cache_driver": driver}
    return {"ours": ours.ImageCache(conf), "Glance": glance}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large image")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--driver", default="sqlite")
    arguments = parser.parse_args()
    image = Image(arguments.size * MIB)
    caches = open_both(arguments.directory, arguments.driver)
    for cache in caches.values():
        cache.cache_image_iter("large", image.chunks(MIB), image.md5)
        for number in range(SMALL_READS):
            cache.cache_image_iter(f"small-{number}", [image.block[:SMALL]])
    for name, unit, work, after in rows(image):
        rates = {side: [] for side in caches}
        for _ in range(arguments.rounds):
            for side, cache in caches.items():
                started = time.perf_counter()
                amount = work(cache)
                rates[side].append(amount / (time.perf_counter() - started))
                if after is not None:
                    after(cache)
                os.sync()
        mine, glance = (statistics.median(rates[side]) for side in ("ours", "Glance"))
        spread = f"{min(rates['ours']):.0f}–{max(rates['ours']):.0f}; {min(rates['Glance']):.0f}–{max(rates['Glance']):.0f}"
        print(f"{name}: ours {mine:.0f}, Glance {glance:.0f} {unit} ({spread}): {mine / glance:.2f} ×", flush=True)


if __name__ == "__main__":
    main()
