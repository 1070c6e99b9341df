"""The operations of a cache that neither read nor write an image: questions, the queue, and maintenance."""

from __future__ import annotations

from typing import Any

from . import _native as native
from . import _process
from ._errors import Closed, ConfigError
from ._options import texts
from ._records import CachedImage, CacheSize, Cleaned, Driver, NotRemoved, Pruned, Verified


class Operations:
    """The operations of `image_cache.Cache` that neither read nor write an image."""

    _native: native.Cache | None = None

    def _opened(self) -> native.Cache:
        opened = self._native
        if opened is None:
            raise Closed("the cache is closed; open it again")
        _process.enter()
        return opened

    # Questions

    def is_cached(self, image_id: str) -> bool:
        """Whether the image is cached: complete and verified."""
        return self._opened().is_cached(image_id)

    def is_queued(self, image_id: str) -> bool:
        """Whether the image is in the queue."""
        return self._opened().is_queued(image_id)

    def is_being_cached(self, image_id: str) -> bool:
        """Whether a live writer, in this or another process, writes the image."""
        return self._opened().is_being_cached(image_id)

    def is_cacheable(self, image_id: str, size: int | None = None) -> bool:
        """Whether the image may be cached now: it is neither cached nor being cached, and the driver accepts it."""
        return self._opened().is_cacheable(image_id, size)

    def image_size(self, image_id: str) -> int | None:
        """Bytes of a cached image; None if it is not cached."""
        return self._opened().image_size(image_id)

    def hit_count(self, image_id: str) -> int:
        """How often the image was read to its end; 0 if it is not cached."""
        return self._opened().hit_count(image_id)

    def cached_image(self, image_id: str) -> CachedImage | None:
        """The record of a cached image; None if it is not cached."""
        record = self._opened().cached_image(image_id)
        return None if record is None else CachedImage(*record)

    def cached_images(self) -> list[CachedImage]:
        """The records of all cached images, ordered by id."""
        return [CachedImage(*record) for record in self._opened().cached_images()]

    def cache_size(self) -> CacheSize:
        """Images and bytes cached."""
        return CacheSize(*self._opened().cache_size())

    def driver(self) -> Driver:
        """The driver in use and, if it replaces the configured one, why."""
        name, version, fallback = self._opened().driver()
        return Driver(name, version, *(fallback or (None, None)))

    def counters(self) -> dict[str, int]:
        """Counters of this cache in this process, by name: `hits`, `misses`, `bytes_fetched`, …"""
        return self._opened().counters()

    # The queue

    def queue_image(self, image_id: str) -> bool:
        """Adds an image to the queue; False if it is cached, being cached or queued already."""
        return self._opened().queue_image(image_id)

    def queued_images(self) -> list[str]:
        """The queued images, in the order in which they were queued."""
        return self._opened().queued_images()

    def delete_queued_image(self, image_id: str) -> bool:
        """Removes an image from the queue; False if it was not queued."""
        return self._opened().delete_queued_image(image_id)

    def delete_all_queued_images(self) -> int:
        """Empties the queue; returns how many were removed."""
        return self._opened().delete_all_queued_images()

    # Maintenance

    def delete_cached_image(self, image_id: str) -> bool:
        """Removes a cached image; False if it was not cached. Its readers can still read it to the end."""
        return self._opened().delete_cached_image(image_id)

    def delete_all_cached_images(self) -> int:
        """Removes all cached images; returns how many."""
        return self._opened().delete_all_cached_images()

    def prune(self) -> Pruned:
        """Evicts in the driver's order until the cache is within its limits."""
        images, size, kept = self._opened().prune()
        return Pruned(images, size, [NotRemoved(*image) for image in kept])

    def clean(self, stall_time: float | None = None) -> Cleaned:
        """Removes leftovers of failed fetches, and incomplete ones older than `stall_time` seconds (default: the option).

        A file with a live writer is never removed.
        """
        incomplete, invalid, size, kept = self._opened().clean(stall_time)
        return Cleaned(incomplete, invalid, size, [NotRemoved(*image) for image in kept])

    def verify(self, image_id: str) -> Verified | None:
        """Reads and verifies a cached image; None if it is not cached. Counts no hit.

        Raises:
            Corrupt: the image is damaged, and no longer cached.
        """
        verified = self._opened().verify(image_id)
        return None if verified is None else Verified(*verified)

    def flush(self) -> None:
        """Writes the hits that were collected during `image_cache_hit_delay`."""
        self._opened().flush()

    def reconcile_external_changes(self) -> None:
        """Checks whether other programs changed the directory. Lists and prunes do so themselves."""
        self._opened().reconcile_external_changes()

    def reconfigure(self, **options: Any) -> Driver:
        """Changes options of the open cache, for example `max_size="10 GiB"`, `verify_reads=False` or `driver="xattr"`.

        Reads and fetches go on meanwhile; a change applies to what begins after it, in this process. The directory and the path of
        the database cannot change. A smaller size evicts nothing by itself: call `prune`.

        Raises:
            ConfigError: an option is unknown, cannot change, or has no value that is accepted; nothing is changed.
        """
        unset = [f"{name} is None; state its new value" for name, value in options.items() if value is None]
        if unset:
            raise ConfigError("the options have faults: " + "; ".join(unset), faults=unset)
        self._opened().reconfigure(texts(options))
        return self.driver()

    def reload_driver(self) -> Driver:
        """Loads the configured driver again, for example because its component was replaced."""
        self._opened().reload_driver()
        return self.driver()
