"""Secret keys that sign packs and bundles; created and used with the package cryptography."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...errors import MissingPackageError, UsageError
from ...runtime.bundle.signing import ALGORITHM, PURPOSES, format_signature
from ...runtime.outputs import check_outputs, make_folder, output_file

OWNER_ONLY = 0o600


def _cryptography(purpose: str) -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] != "cryptography":
            raise
        raise MissingPackageError("cryptography", "sign", purpose) from None
    return serialization, ed25519


def generate_keys(out: Path) -> tuple[Path, Path]:
    """Write a new pair of keys.

    Parameters
    ----------
    out : Path
        Path without suffix. The secret key gets the suffix ``.key``, the public key ``.pub``. On
        Linux and macOS only the owner may read the secret key; on Windows its folder decides.

    Returns
    -------
    (Path, Path)
        The files of the secret and of the public key.

    Raises
    ------
    UsageError
        If one of the files exists, since a key is never overwritten, or the folder cannot be
        written.
    MissingPackageError
        If cryptography is not installed.
    """
    serialization, ed25519 = _cryptography("making keys")
    if not out.name:
        raise UsageError(f"{str(out)!r} is no name of a file", fix="--out laboratory")
    secret, public = out.with_name(out.name + ".key"), out.with_name(out.name + ".pub")
    for path in (secret, public):
        if os.path.lexists(path):
            raise UsageError(f"{path} exists, and a key is never overwritten", fix="--out OTHER")
    check_outputs([secret, public], can_force=False)
    key = ed25519.Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    raw = key.public_key().public_bytes_raw()
    make_folder(out.parent)
    with output_file(public) as temporary:
        temporary.write_text(f"{ALGORITHM} {raw.hex()}\n", encoding="ascii")
    try:
        with output_file(secret, mode=OWNER_ONLY) as temporary:
            temporary.write_bytes(text)
    except BaseException:
        public.unlink(missing_ok=True)
        raise
    return secret, public


class Signer:
    """A loaded secret key.

    Parameters
    ----------
    path : Path
        A file that `generate_keys` wrote.

    Raises
    ------
    UsageError
        If the file is not an Ed25519 key.
    MissingPackageError
        If cryptography is not installed.
    """

    def __init__(self, path: Path) -> None:
        serialization, ed25519 = _cryptography("signing")
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
        purpose : {"bundle", "pack"}
        """
        return format_signature(self.public, self._key.sign(PURPOSES[purpose] + content))
