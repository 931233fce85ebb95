"""Creates the keys that sign packs, bundles and site profiles, with the package cryptography."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import UsageError
from ...runtime.bundle.signer import load_cryptography
from ...runtime.bundle.signing import ALGORITHM
from ...runtime.outputs import check_outputs, make_folder, output_file

OWNER_ONLY = 0o600


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
    serialization, ed25519 = load_cryptography("making keys")
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
