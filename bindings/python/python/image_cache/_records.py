"""The results of the cache's operations."""

from __future__ import annotations

from typing import NamedTuple


class CachedImage(NamedTuple):
    """The record of a cached image. Times are seconds since the epoch."""

    image_id: str
    size: int
    hits: int
    last_accessed: float
    last_modified: float
    checksum: str | None
    """The checksum of the bytes, in hexadecimal, if it is known."""


class CacheSize(NamedTuple):
    """How much is cached."""

    images: int
    bytes: int


class NotRemoved(NamedTuple):
    """An image that an operation could not remove."""

    image_id: str
    reason: str


class Pruned(NamedTuple):
    """What a prune evicted, and what it could not evict, for example because it is being read."""

    images: int
    bytes: int
    kept: list[NotRemoved]


class Cleaned(NamedTuple):
    """The leftovers that a clean removed, and those that it could not remove."""

    incomplete: int
    invalid: int
    bytes: int
    kept: list[NotRemoved]


class Verified(NamedTuple):
    """An undamaged image."""

    size: int
    trust: str
    """Why its bytes are trusted: `fetched`, `checksum`, `first-use`, or `not-yet`."""


class Driver(NamedTuple):
    """The driver in use."""

    name: str
    version: str
    configured: str | None
    """The configured driver, if this one replaces it."""
    reason: str | None
    """Why the configured driver cannot be used."""


class Outcome(NamedTuple):
    """The outcome of caching an image."""

    kind: str
    """`cached`, `already-cached`, `being-cached`, `refused` (by the driver), or `failed` (the cache failed; the bytes did not)."""
    reason: str | None = None
    failure: str | None = None
    """If it failed: a word for the reason, the same in each version, for example `unwritable`."""

    @property
    def is_cached(self) -> bool:
        """Whether the image is cached now."""
        return self.kind in ("cached", "already-cached")
