"""Compares the bytes of another reader's fetch with what this reader expects, which may be more than the other one did."""

from __future__ import annotations

import hashlib
from typing import Any

from ._errors import ChecksumMismatch, SizeMismatch


class Check:
    """The size and the MD5 of bytes, if they are expected."""

    def __init__(self, image_id: str, expected: dict[str, Any]) -> None:
        self._image_id = image_id
        self._expected_size, self._expected_md5 = expected.get("size"), expected.get("md5")
        self._size = 0
        self._md5 = hashlib.md5(usedforsecurity=False) if self._expected_md5 else None

    def add(self, chunk: bytes) -> None:
        """The next bytes."""
        self._size += len(chunk)
        if self._md5 is not None:
            self._md5.update(chunk)

    def finish(self) -> None:
        """The end of the bytes.

        Raises:
            VerificationFailed: they are not the expected ones.
        """
        if self._expected_size is not None and self._expected_size != self._size:
            raise SizeMismatch(
                self._words(f"{self._expected_size} bytes were expected, but the fetch had {self._size}"),
                image_id=self._image_id,
                expected=self._expected_size,
                found=self._size,
            )
        if self._md5 is not None and self._expected_md5.lower() != self._md5.hexdigest():
            found = self._md5.hexdigest()
            raise ChecksumMismatch(
                self._words(f"MD5 {self._expected_md5} was expected, but the fetch had {found}"),
                image_id=self._image_id,
                expected=self._expected_md5,
                found=found,
            )

    def _words(self, what: str) -> str:
        return f"image {self._image_id}: {what}; another reader fetched it without that expectation"
