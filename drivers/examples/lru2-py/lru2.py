"""LRU-2: evicts the image whose last use but one is the longest ago, and those that were used only once first.

E. J. O'Neil, P. E. O'Neil, G. Weikum, "The LRU-K Page Replacement Algorithm for Database Disk Buffering", ACM SIGMOD 1993.

The functions of the interface, in the Python that componentize-py derives from the WIT: an option is None or its value, and a
function raises Err with its error. An error of SQL has the error type of the interface, so the driver does not catch it, and it
reaches the host.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.driver import (
    CacheSize,
    ConfigurationError_InvalidOption,
    ConfigurationError_Other,
    Description,
    LeftoverState,
    Victim,
)

import records
from reporting import reported

# Rows in one query: well within the host's limits.
PAGE = 1000


@reported
class Driver(exports.Driver):
    """The driver. An instance keeps nothing in memory."""

    def describe(self):
        return Description("lru2", "1.0.0")

    def configure(self, options):
        if options:
            names = ", ".join(name for name, _ in options)
            raise Err(ConfigurationError_InvalidOption(f"unknown option {names}; this driver takes none"))
        try:
            records.prepare()
        except Err as error:
            words = getattr(error.value, "value", type(error.value).__name__)
            raise Err(ConfigurationError_Other(f"preparing the database: {words}")) from None

    def is_cacheable(self, image_id, size, now):
        return True

    def record_cached(self, image):
        records.insert(image)

    def record_hits(self, hits):
        times = {}
        for hit in hits:
            times.setdefault(hit.image_id, []).append(hit.at)
        records.count(times)

    def forget(self, image_ids):
        records.remove(image_ids)

    def get_cached_image(self, image_id):
        return records.one(image_id)

    def get_cached_images(self, after, limit):
        return records.page(after, min(limit, PAGE))

    def get_cache_size(self):
        return CacheSize(*records.size())

    def select_victims(self, request):
        excluded = set(request.exclude)
        victims, freed, place = [], 0, records.OLDEST
        while freed < request.bytes_needed and len(victims) < request.limit:
            rows = records.from_oldest(place, PAGE)
            for row in rows:
                if freed >= request.bytes_needed or len(victims) >= request.limit:
                    break
                if row.image_id not in excluded:
                    victims.append(Victim(row.image_id, row.size))
                    freed += row.size
            if len(rows) < PAGE:
                break
            place = rows[-1].place
        return victims

    def select_leftovers(self, leftovers, stalled_before, now):
        """All invalid leftovers, and the incomplete ones that have stalled."""
        return [it for it in leftovers if it.state == LeftoverState.INVALID or it.modified <= stalled_before]
