"""Push writing: the caller pushes the bytes of an image into the cache."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import _native
from ._records import Outcome

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer


class Writer(io.RawIOBase):
    """Caches one image from pushed bytes, as a write-only binary file.

    `finish` verifies and publishes the image. `abort`, an exception in its `with` block, or dropping it before that, undoes it. A
    failure of the cache itself raises nothing, since it must not disturb the caller's stream: it is the outcome.
    """

    def __init__(self, image_id: str, writer: _native.Writer) -> None:
        super().__init__()
        self._writer = writer
        self.name = image_id
        self.outcome: Outcome | None = None
        """The outcome, after `finish`."""

    @property
    def bypass(self) -> Outcome | None:
        """Why it does not cache the image, if that was certain at the beginning: it then only verifies the bytes."""
        bypass = self._writer.bypass
        return None if bypass is None else Outcome(*bypass)

    @contextlib.contextmanager
    def reading_source(self) -> Iterator[None]:
        """In this block, this thread reads the next bytes from a source. If the source needs the image itself, through a cache of this
        process, its read raises `FetchFailed` at once, instead of waiting until its patience ends."""
        self._writer.begin_source_read()
        try:
            yield
        finally:
            self._writer.end_source_read()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        """Adds the next bytes, any contiguous buffer; returns their number.

        Raises:
            SizeMismatch: these are more bytes than expected; nothing is cached.
            Closed: it has ended.
        """
        return self._writer.write(data)

    def finish(self) -> Outcome:
        """The end of the image: verifies size and checksum, and publishes it.

        Raises:
            VerificationFailed: the bytes are not the expected ones; nothing is cached.
            Closed: it has already ended.
        """
        self.outcome = Outcome(*self._writer.finish())
        super().close()
        return self.outcome

    def abort(self) -> None:
        """Undoes it. Does nothing after the end."""
        if hasattr(self, "_writer"):
            self._writer.abort()
        super().close()

    def close(self) -> None:
        """Like `abort`: an image whose end is unknown is not cached."""
        if not self.closed:
            self.abort()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.abort()
        elif not self.closed:
            self.finish()
