"""What a reader has already returned, when it goes on with another source."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Generator, Iterable

from ._errors import FetchFailed

LOG = logging.getLogger("image_cache")

ATTEMPTS = 3
"""How many fetches of others a reader follows, at most, before it reads its own source."""


class FollowingFailed(Exception):
    """A reader cannot follow to the end, and may continue with another source. The cause is the error."""


class Prefix:
    """The bytes that a reader has already returned, to continue after them with another source, which must begin with them."""

    def __init__(self, image_id: str) -> None:
        self.image_id = image_id
        self.size = 0
        self.may_follow = True
        """Whether the reader may follow another fetch, if this one fails."""
        self.is_verified = False
        """Whether the source returns verified bytes: then there is no need to compare them, since the reader does not go on after an
        error."""
        self._digest = hashlib.md5(usedforsecurity=False)
        self._failures = 0

    def note_failure(self, failed: FollowingFailed) -> None:
        """The fetch that was followed failed. After a fetch without progress the reader must not wait again."""
        LOG.info("image %s: %s; the reader goes on elsewhere", self.image_id, failed.__cause__)
        self._failures += 1
        is_stuck = getattr(failed.__cause__, "kind", None) == "TimedOut"
        self.may_follow = not is_stuck and self._failures < ATTEMPTS

    def rest(self, source: Iterable[bytes]) -> Generator[bytes, None, None]:
        """The chunks of a source without the bytes that were already returned.

        Raises:
            FetchFailed: the source begins with other bytes.
        """
        comparison = Comparison(self)
        for chunk in source:
            if chunk := comparison.strip(chunk):
                yield chunk
        comparison.end()

    def add(self, chunk: bytes) -> None:
        """The next bytes, which are returned now."""
        self.size += len(chunk)
        if not self.is_verified:
            self._digest.update(chunk)

    def digest(self) -> bytes:
        """The digest of the bytes."""
        return self._digest.digest()


class Comparison:
    """Compares the beginning of a source with the bytes that a reader has already returned."""

    def __init__(self, prefix: Prefix) -> None:
        self._prefix = prefix
        self._left, self._expected = prefix.size, prefix.digest()
        self._found = hashlib.md5(usedforsecurity=False)

    def strip(self, chunk: bytes) -> bytes:
        """The part of the next chunk that was not returned yet."""
        if self._left > 0:
            known = chunk[: self._left]
            self._found.update(known)
            self._left -= len(known)
            if self._left == 0 and self._found.digest() != self._expected:
                raise self._differs()
            chunk = chunk[len(known) :]
        self._prefix.add(chunk)
        return chunk

    def end(self) -> None:
        """The end of the source, which must have had all those bytes."""
        if self._left > 0:
            raise self._differs()

    def _differs(self) -> FetchFailed:
        image_id = self._prefix.image_id
        return FetchFailed(
            f"image {image_id}: its fetch was interrupted, and the source returned other bytes than that fetch; read it again",
            image_id=image_id,
        )
