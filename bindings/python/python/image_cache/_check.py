"""Compares the bytes of another reader's fetch with what this reader expects, which may be more than the other one did."""

from __future__ import annotations

import hashlib
from typing import Any

from ._errors import ChecksumMismatch, SizeMismatch

ALGORITHMS = {"md5": "MD5", "sha256": "SHA-256", "sha512": "SHA-512"}
"""The algorithms of expected checksums, by their names as arguments."""


class Check:
    """The size and the checksums of bytes, if they are expected: all in one pass."""

    def __init__(self, image_id: str, expected: dict[str, Any]) -> None:
        self._image_id = image_id
        self._size, self._expected_size = 0, expected.get("size")
        self._expected = {name: expected[name] for name in ALGORITHMS if expected.get(name)}
        self._digests = {name: hashlib.new(name, usedforsecurity=False) for name in self._expected}

    def add(self, chunk: bytes) -> None:
        """The next bytes."""
        self._size += len(chunk)
        for digest in self._digests.values():
            digest.update(chunk)

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
        for name, digest in self._digests.items():
            expected, found = self._expected[name].lower(), digest.hexdigest()
            if expected != found:
                raise ChecksumMismatch(
                    self._words(f"{ALGORITHMS[name]} {expected} was expected, but the fetch had {found}"),
                    image_id=self._image_id,
                    expected=expected,
                    found=found,
                )

    def _words(self, what: str) -> str:
        return f"image {self._image_id}: {what}; another reader fetched it without that expectation"
