"""A secret key that signs packs, bundles and site profiles, with the package cryptography."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import MissingPackageError, UsageError
from .signing import PURPOSES, format_signature


def load_cryptography(purpose: str) -> tuple[Any, Any]:
    """Return the modules ``serialization`` and ``ed25519`` of cryptography.

    Parameters
    ----------
    purpose : str
        What needs them, for the error message.

    Raises
    ------
    MissingPackageError
        If cryptography is not installed.
    """
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] != "cryptography":
            raise
        raise MissingPackageError("cryptography", "sign", purpose) from None
    return serialization, ed25519


class Signer:
    """A loaded secret key.

    Parameters
    ----------
    path : Path
        A ``.key`` file of `alledge keygen`.

    Raises
    ------
    UsageError
        If the file is not an Ed25519 key.
    MissingPackageError
        If cryptography is not installed.
    """

    def __init__(self, path: Path) -> None:
        serialization, ed25519 = load_cryptography("signing")
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"{path} is not a secret key: {error}", fix="name the .key file of alledge keygen"
            ) from None
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise UsageError(f"{path} is not an Ed25519 key", fix="create one with alledge keygen")
        self._key = key
        self.public: bytes = key.public_key().public_bytes_raw()

    def sign(self, content: bytes, purpose: str) -> str:
        """Return the text of a signature file for some content.

        Parameters
        ----------
        content : bytes
        purpose : {"bundle", "pack", "site"}
        """
        return format_signature(self.public, self._key.sign(PURPOSES[purpose] + content))
