"""Salted hashes of training images: they show whether a model was trained on an image.

The hash is over the pixels that the model sees, so a renamed copy, or one with other tags, has
the same hash. A cell model sees crops; its hashes are over whole files, loaded with
`FILE_SETTINGS`. No image can be computed from a hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..image_settings import ImageSettings

HASH_BYTES = 16
# How a field, or an image of one cell, is loaded for the hash of a cell model.
FILE_SETTINGS = ImageSettings()


def pixel_hash(salt: bytes | str, rgb: NDArray[np.uint8]) -> str:
    """Return the salted hash of an image as the model sees it.

    Parameters
    ----------
    salt : bytes or str
        Random, one per run; a str is hexadecimal.
    rgb : (S, S, 3) ndarray of uint8

    Returns
    -------
    str
        The first 16 bytes of a SHA-256, in hex.
    """
    salt = bytes.fromhex(salt) if isinstance(salt, str) else salt
    return hashlib.sha256(salt + rgb.tobytes()).hexdigest()[: 2 * HASH_BYTES]


class TrainingImageHashes:
    """The hashes of the images that a model was trained on.

    Parameters
    ----------
    record : mapping or None
        ``{"salt": hex, "hashes": [hex, …]}``, the ``seen`` of a bundle or a run; None has no hash.

    Examples
    --------
    >>> load_rgb("slide.jpg") in TrainingImageHashes(bundle.record["seen"])  # doctest: +SKIP
    False
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
