"""Whether a model was trained on an image: salted hashes of pixels; no image can be had back.

The hash is of the square the model sees, so a renamed or re-tagged copy is known again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

HASH_BYTES = 16


def pixel_hash(salt: bytes | str, rgb: NDArray[np.uint8]) -> str:
    """Return the salted hash of an image as the model sees it.

    Parameters
    ----------
    salt : bytes or str
        Drawn once per run; hex where it is a str.
    rgb : (S, S, 3) ndarray of uint8

    Returns
    -------
    str
        The first 16 bytes of a SHA-256, in hex.
    """
    salt = bytes.fromhex(salt) if isinstance(salt, str) else salt
    return hashlib.sha256(salt + rgb.tobytes()).hexdigest()[: 2 * HASH_BYTES]


class TrainingImageHashes:
    """The images that a model was trained on, known by their hashes.

    Parameters
    ----------
    record : mapping or None
        ``{"salt": hex, "hashes": [hex, …]}`` of a bundle or a run; None knows no image.
    """

    def __init__(self, record: Mapping[str, Any] | None) -> None:
        self._salt = bytes.fromhex(record["salt"]) if record else b""
        self._hashes = frozenset(record["hashes"]) if record else frozenset()

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, rgb: object) -> bool:
        return (
            bool(self._hashes)
            and isinstance(rgb, np.ndarray)
            and pixel_hash(self._salt, rgb) in self._hashes
        )
