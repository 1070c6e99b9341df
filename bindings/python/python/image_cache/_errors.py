"""The exceptions of the cache. Each has its reasons as attributes; the text ends with what to do."""

from __future__ import annotations

from typing import Any


DEADLOCK = "Deadlock"
"""The kind of a read that would wait for itself."""


class Error(Exception):
    """The base of all exceptions of this package.

    Attributes:
        message: what failed, why, and what to do.
        remedy: what to do, if the message says so; otherwise None.
        image_id: the image, if the error is about one; otherwise None.
        retryable: whether the same call may succeed later, although nobody changes anything.
    """

    remedy: str | None = None
    image_id: str | None = None
    retryable: bool = False

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        for name, value in details.items():
            setattr(self, name, value)


class InvalidImageId(Error, ValueError):
    """The id is not accepted; nothing was changed."""


class InvalidChecksum(Error, ValueError):
    """The expected checksum is not one, for example because of its length; nothing was changed."""


class ConfigError(Error, ValueError):
    """The configuration has faults.

    Attributes:
        faults: all faults, each with its place, what was found, and what is accepted.
    """

    faults: list[str] = []


class DirectoryError(Error, OSError):
    """The cache directory, or a file in it, cannot be used.

    Attributes:
        path: the directory or file.
        errno: the error number of the system, if there is one.
    """

    path: str | None = None


class ImageFileError(Error, OSError):
    """The file of one image cannot be used."""


class FetchFailed(Error, OSError):
    """A fetch that this reader followed failed or was interrupted.

    Attributes:
        kind: the kind of the error, for example `TimedOut`: the fetch makes no progress; or `Deadlock`: a source needs its own image.
        loss: if its writer was lost, how: `abandoned` (the writer ended), `cache-failed`, or `stuck` (no progress); otherwise None.
    """

    kind: str | None = None
    loss: str | None = None


class VerificationFailed(Error):
    """The bytes are not the expected ones; nothing was cached, and the last bytes were not delivered.

    Attributes:
        expected: the checksum or the size that was expected.
        found: the checksum or the size of the bytes.
    """

    expected: str | int | None = None
    found: str | int | None = None


class ChecksumMismatch(VerificationFailed):
    """The bytes have another checksum than expected."""


class SizeMismatch(VerificationFailed):
    """There are more or fewer bytes than expected."""


class Corrupt(Error, OSError):
    """A cached image is damaged: it is no longer cached. The bytes that were delivered before are correct.

    Attributes:
        damage: how: `bytes` (some have changed), `cut-short` or `size` (the file has another size), or `checksum`.
        start: for `bytes`, the offset of the damaged block; otherwise None.
        end: for `bytes`, the offset after it; otherwise None.
        expected: the size or the checksum that was cached; None for `bytes`.
        found: the size or the checksum of the file; None for `bytes` and `cut-short`.
    """

    damage: str | None = None
    start: int | None = None
    end: int | None = None
    expected: str | int | None = None
    found: str | int | None = None


class MetadataError(Error):
    """A call of the driver failed; images are not affected.

    Attributes:
        driver: the driver in use.
        reason: a word for the reason, the same in each version, for example `not-loaded`, `call-failed`, `out-of-time` or `no-victims`.
    """

    driver: str | None = None
    reason: str | None = None


class NoDriver(MetadataError):
    """Neither the configured driver nor sqlite can be used."""


class InUse(Error):
    """Another process has the cache open, and the operation needs it exclusively."""


class Closed(Error, ValueError):
    """The cache, the reader or the writer has ended."""


class Forked(Error, RuntimeError):
    """A reader or a writer belongs to the parent of this forked process. (A cache opens itself anew.)"""
