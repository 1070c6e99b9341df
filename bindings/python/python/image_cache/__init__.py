"""A disk cache for large images, with verified reads, shared fetches and crash safety.

>>> import tempfile
>>> from image_cache import Cache
>>> directory = tempfile.mkdtemp()
>>> cache = Cache(directory, max_size="50 GiB")
>>> b"".join(cache.get_or_fetch("greeting", lambda: [b"hel", b"lo"]))
b'hello'
>>> with cache.open_for_read("greeting") as image:
...     image.read()
b'hello'
>>> cache.hit_count("greeting")
1
>>> cache.close()

`image_cache.aio` has the same for asyncio, `image_cache.glance` a class for OpenStack Glance. The log goes to the logger `image_cache`.
"""

from ._cache import Cache
from ._errors import (
    ChecksumMismatch,
    Closed,
    ConfigError,
    Corrupt,
    DirectoryError,
    Error,
    FetchFailed,
    Forked,
    ImageFileError,
    InUse,
    InvalidChecksum,
    InvalidImageId,
    MetadataError,
    NoDriver,
    SizeMismatch,
    VerificationFailed,
)
from ._files import FollowedFile, ImageFile
from ._records import CachedImage, CacheSize, Cleaned, Driver, NotRemoved, Outcome, Pruned, Verified
from ._tee import CachingReader, FetchReader
from ._writer import Writer

__all__ = [
    "Cache",
    "CacheSize",
    "CachedImage",
    "CachingReader",
    "ChecksumMismatch",
    "Cleaned",
    "Closed",
    "ConfigError",
    "Corrupt",
    "DirectoryError",
    "Driver",
    "Error",
    "FetchFailed",
    "FetchReader",
    "FollowedFile",
    "Forked",
    "ImageFile",
    "ImageFileError",
    "InUse",
    "InvalidChecksum",
    "InvalidImageId",
    "MetadataError",
    "NoDriver",
    "NotRemoved",
    "Outcome",
    "Pruned",
    "SizeMismatch",
    "VerificationFailed",
    "Verified",
    "Writer",
]
