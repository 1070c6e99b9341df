"""The cache."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _native, _process
from ._files import FollowedFile, ImageFile
from ._operations import Operations
from ._options import texts
from ._records import Outcome
from ._tee import CachingReader, FetchReader, chunks
from ._writer import Writer

if TYPE_CHECKING:
    from types import TracebackType

_TO_THE_END = (1 << 64) - 1


class Cache(Operations):
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
        self._native = _native.Cache(texts(options), file)

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
        sha256: str | None = None,
        sha512: str | None = None,
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
            md5: the expected MD5, in hexadecimal. An empty text is not a checksum.
            sha256: the expected SHA-256. If several checksums are expected, all are verified in one pass. Those of a cached image are
                compared with its record, which has an MD5.
            sha512: the expected SHA-512.

        Raises:
            VerificationFailed: in place of the last chunk: the bytes are not the expected ones; nothing is cached.
        """
        expected = {"size": size, "md5": md5, "sha256": sha256, "sha512": sha512}
        self._check(image_id, expected)
        return FetchReader(self, image_id, open_source, expected)

    # Writing

    def begin(
        self,
        image_id: str,
        *,
        size: int | None = None,
        md5: str | None = None,
        sha256: str | None = None,
        sha512: str | None = None,
    ) -> Writer:
        """A writer, to which the caller pushes the bytes of the image. What it expects is stated as for `get_or_fetch`.

        If the image cannot be cached now (it is cached, or another writer writes it), the bytes are only verified.

        Raises:
            InvalidChecksum: a text is not a checksum of its algorithm.
        """
        return Writer(image_id, self._opened().begin(image_id, size, md5, sha256, sha512))

    def caching_reader(
        self,
        image_id: str,
        source: Any,
        *,
        size: int | None = None,
        md5: str | None = None,
        sha256: str | None = None,
        sha512: str | None = None,
    ) -> CachingReader:
        """The chunks of a source, a binary file or an iterable of chunks, which fill the cache at the same time.

        Raises:
            VerificationFailed: in place of the last chunk: the bytes are not the expected ones; nothing is cached.
        """
        writer = self.begin(image_id, size=size, md5=md5, sha256=sha256, sha512=sha512)
        return CachingReader(writer, lambda: source)

    def cache_image(
        self,
        image_id: str,
        source: Any,
        *,
        size: int | None = None,
        md5: str | None = None,
        sha256: str | None = None,
        sha512: str | None = None,
    ) -> Outcome:
        """Reads a source into the cache. If the image will not be cached, the source is not read: the outcome says why."""
        with self.begin(image_id, size=size, md5=md5, sha256=sha256, sha512=sha512) as writer:
            if writer.bypass is not None:
                writer.abort()
                return writer.bypass
            begin_source_read = writer._writer.begin_source_read
            begin_source_read()
            for chunk in chunks(source):
                writer.write(chunk)
                begin_source_read()
            return writer.finish()

    def _check(self, image_id: str, expected: dict[str, Any]) -> None:
        """Raises what is wrong with these arguments, before a source is opened."""
        self._opened().check(image_id, **expected)
