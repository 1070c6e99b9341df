"""Images as file objects."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Iterator

from . import _native

if TYPE_CHECKING:
    from typing_extensions import Buffer

CHUNK = 1 << 20
"""The bytes of a chunk: those of a block that is verified as a whole, and read without a copy."""


class _ChunkedFile(io.RawIOBase):
    """A binary file that is read in chunks: iterating returns these, not lines."""

    def readable(self) -> bool:
        return True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = self.read(CHUNK)
        if not chunk:
            raise StopIteration
        return chunk


class ImageFile(_ChunkedFile):
    """A cached image, or a range of it, as a read-only binary file.

    Each block is verified before a byte of it is returned; `Corrupt` is raised for a damaged one, and the image is no longer cached. A
    read to the end counts one hit. The image is not evicted while the file is open. Python's lock is released during a read.
    """

    def __init__(self, image_id: str, reader: _native.Reader) -> None:
        super().__init__()
        self._reader = reader
        self.name = image_id

    @property
    def size(self) -> int:
        """Bytes of this file: of the image, or of the range."""
        return self._reader.size

    @property
    def image_size(self) -> int:
        """Bytes of the whole image."""
        return self._reader.image_size

    def readinto(self, buffer: Buffer, /) -> int:
        """Fills the buffer, and returns the number of bytes: fewer than its length only at the end.

        A buffer of whole MiB at a position of whole MiB is filled without a further copy.
        """
        return self._reader.readinto(buffer)

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to `size` bytes: fewer only at the end; all for a negative size."""
        return self._reader.read((1 << 64) - 1 if size is None or size < 0 else size)

    def readall(self) -> bytes:
        """All bytes from the position to the end."""
        return self.read()

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Moves the position, which is relative to the range."""
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.seek(0, io.SEEK_CUR)

    def close(self) -> None:
        """Ends reading: the image can be evicted then."""
        # Also called for an object whose __init__ failed.
        if not self.closed and hasattr(self, "_reader"):
            self._reader.close()
        super().close()


class FollowedFile(_ChunkedFile):
    """An image that is cached, or that another reader or process fetches, as a read-only binary file without a position.

    A read returns what has arrived, and waits if that is nothing. The end comes only after the whole, verified image.
    """

    def __init__(self, image_id: str, follower: _native.Follower) -> None:
        super().__init__()
        self._follower = follower
        self.name = image_id

    @property
    def image_size(self) -> int | None:
        """Bytes of the whole image, if they are known."""
        return self._follower.image_size

    @property
    def is_cached(self) -> bool:
        """Whether the image was cached when it was opened."""
        return self._follower.is_cached

    def readinto(self, buffer: Buffer, /) -> int:
        """Reads into the buffer; returns the number of bytes, 0 only at the end, or for an empty buffer."""
        return self._follower.readinto(buffer)

    def close(self) -> None:
        """Ends reading."""
        if not self.closed and hasattr(self, "_follower"):
            self._follower.close()
        super().close()
