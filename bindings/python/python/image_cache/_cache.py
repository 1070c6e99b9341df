"""The cache."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _native, _process
from ._errors import Closed
from ._files import FollowedFile, ImageFile
from ._options import texts
from ._records import CachedImage, CacheSize, Cleaned, Driver, NotRemoved, Outcome, Pruned, Verified
from ._tee import CachingReader, FetchReader, chunks
from ._writer import Writer

if TYPE_CHECKING:
    from types import TracebackType

_TO_THE_END = (1 << 64) - 1


class Cache:
    """A disk cache for large images. Threads may share it; `close` or a `with` block closes it.

    After a fork, the child opens the directory anew at its first operation, and leaves the parent's locks and connections alone.

    Args:
        directory: the cache directory, which is created if it is missing. None if the file of `config` names it.
        config: a TOML file, or an oslo.config file such as `glance-api.conf`; options beat it.
        options: those of the page *Configuration*, without `image_cache_`: `max_size="50 GiB"`, `hit_delay=0.5` (seconds).

    Raises:
        ConfigError: an option is unknown, or a value is not accepted; it has all faults.
        DirectoryError: the directory cannot be used.
        NoDriver: neither the configured driver nor sqlite can be used.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        config: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        if directory is not None:
            options["dir"] = os.path.abspath(os.fsdecode(directory))
        # Forked children open the cache anew, and may have another working directory.
        file = None if config is None else os.path.abspath(os.fsdecode(config))
        _process.enter()
        self._native: _native.Cache | None = _native.Cache(texts(options), file)

    def _opened(self) -> _native.Cache:
        native = self._native
        if native is None:
            raise Closed("the cache is closed; open it again")
        _process.enter()
        return native

    def close(self) -> None:
        """Closes the cache, and writes collected hits. Readers and writers that are open go on."""
        native, self._native = self._native, None
        if native is not None:
            native.close()

    def __enter__(self) -> Cache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # Reading

    def open_for_read(self, image_id: str) -> ImageFile | None:
        """A cached image as a binary file; None if it is not cached. Reading it to the end counts one hit.

        Raises:
            Corrupt: here or from a read: the image is damaged, and no longer cached.
        """
        return self.open_range(image_id)

    def open_range(self, image_id: str, start: int = 0, end: int | None = None) -> ImageFile | None:
        """Bytes `start` to `end` (excluded) of a cached image, as far as it has them; None if it is not cached."""
        end = _TO_THE_END if end is None else end
        reader = self._opened().open_range(image_id, start, end)
        return None if reader is None else ImageFile(image_id, reader)

    def follow(self, image_id: str) -> FollowedFile | None:
        """An image that is cached, or that another reader or process fetches, without a source; None if it is neither.

        Raises:
            FetchFailed: from a read: the fetch was interrupted, or makes no progress.
            VerificationFailed: from a read: the fetch returned wrong bytes.
        """
        return self.follow_range(image_id)

    def follow_range(
        self, image_id: str, start: int = 0, end: int | None = None
    ) -> FollowedFile | None:
        """The same for bytes `start` to `end`. Those of a running fetch are not verified yet, except the image's last byte."""
        end = _TO_THE_END if end is None else end
        follower = self._opened().follow_range(image_id, start, end)
        return None if follower is None else FollowedFile(image_id, follower)

    def get_or_fetch(
        self,
        image_id: str,
        open_source: Callable[[], Any],
        *,
        size: int | None = None,
        md5: str | None = None,
    ) -> FetchReader:
        """The chunks of an image: cached, or of a running fetch, or of the source, which then fills the cache.

        Many readers of one image, in any number of threads and processes, read the source once: the first opens it, and the others
        follow it. If that reader stops early, or makes no progress for `image_cache_other_writer_patience`, each other continues with its
        own source at the same position. Close the reader, or use it in a `with` block, if you may not read it to its end.

        Args:
            open_source: called if the image must be fetched; it returns a binary file or an iterable of chunks. It is called and read
                in the thread of the reader, may use the cache, and its exceptions reach the caller. If it has a `close`, that is
                called at the end.
            size: the expected size.
            md5: the expected MD5, in hexadecimal.

        Raises:
            VerificationFailed: in place of the last chunk: the bytes are not the expected ones; nothing is cached.
        """
        self._check(image_id, size, md5)
        return FetchReader(self, image_id, open_source, {"size": size, "md5": md5})

    # Writing

    def begin(self, image_id: str, *, size: int | None = None, md5: str | None = None) -> Writer:
        """A writer, to which the caller pushes the bytes of the image.

        If the image cannot be cached now (it is cached, or another writer writes it), the bytes are only verified.
        """
        return Writer(image_id, self._opened().begin(image_id, size, md5))

    def caching_reader(
        self, image_id: str, source: Any, *, size: int | None = None, md5: str | None = None
    ) -> CachingReader:
        """The chunks of a source, a binary file or an iterable of chunks, which fill the cache at the same time.

        Raises:
            VerificationFailed: in place of the last chunk: the bytes are not the expected ones; nothing is cached.
        """
        writer = self.begin(image_id, size=size, md5=md5)
        return CachingReader(writer, lambda: source)

    def cache_image(
        self, image_id: str, source: Any, *, size: int | None = None, md5: str | None = None
    ) -> Outcome:
        """Reads a source into the cache. If the image will not be cached, the source is not read: the outcome says why."""
        with self.begin(image_id, size=size, md5=md5) as writer:
            if writer.bypass is not None:
                writer.abort()
                return writer.bypass
            for chunk in chunks(source):
                writer.write(chunk)
            return writer.finish()

    def _check(self, image_id: str, size: int | None, md5: str | None) -> None:
        """Raises what is wrong with these arguments, before a source is opened."""
        self._opened().check(image_id, size, md5)

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

    def reload_driver(self) -> Driver:
        """Loads the configured driver again, for example because its component was replaced."""
        self._opened().reload_driver()
        return self.driver()
