"""Signatures of bundles, packs and site profiles, and the public keys that this device trusts.

A device without trusted keys requires no signature.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from ...errors import UntrustedError
from .builtin import builtin_folder

ENVIRONMENT = "ALLEDGE_TRUSTED_KEYS"  # a folder of *.pub files
ALGORITHM = "ed25519"
SIGNATURE = "bundle.sig"
MAX_BYTES = 4096  # of a key or a signature
# Signed before the content, so that the signature of a bundle is not valid for a pack.
PURPOSES = {
    "bundle": b"alledge bundle\n",
    "pack": b"alledge pack\n",
    "site": b"alledge site\n",
}


def trusted_folder() -> Path:
    """Return the folder of this device's trusted keys, whether or not it exists."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named) if named else Path(sys.prefix) / "share" / "alledge" / "trusted"


def trusted_keys(folder: Path | None = None) -> dict[str, bytes]:
    """Return the public keys that a device trusts, by file name.

    Parameters
    ----------
    folder : Path, optional
        By default this device's. It may be missing or empty only if neither this parameter nor
        ``$ALLEDGE_TRUSTED_KEYS`` names it. Files whose names begin with a dot are ignored.

    Returns
    -------
    dict of str to bytes
        32 bytes each. Empty if the device requires no signatures.

    Raises
    ------
    UntrustedError
        If the folder or a key cannot be read, or a folder that was named is missing or contains no
        key. A folder with files of other kinds is refused too: a key may have a wrong name.
    """
    named = folder is not None or ENVIRONMENT in os.environ
    folder = folder or trusted_folder()
    fix = f"put the *.pub files of `alledge keygen` there, or unset {ENVIRONMENT}"
    try:
        files = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    except FileNotFoundError:
        if not named:
            return {}
        raise UntrustedError(
            f"the folder of trusted keys {folder} does not exist", fix=fix
        ) from None
    except OSError as error:
        raise UntrustedError(
            f"the folder of trusted keys {folder} cannot be read: {error.strerror}", fix=fix
        ) from None
    keys = {path.name: read_public_key(path) for path in files if path.suffix.lower() == ".pub"}
    if not keys and (named or files):
        raise UntrustedError(f"the folder of trusted keys {folder} contains no key", fix=fix)
    return keys


def read_public_key(path: Path) -> bytes:
    """Return the 32 bytes of a public key file: one line, ``ed25519 <hex>``.

    Parameters
    ----------
    path : Path

    Raises
    ------
    UntrustedError
        If the file is not a public key, or its key is of small order.
    """
    from .ed25519 import is_public_key

    try:
        algorithm, text = _read(path).split()[:2]
        key = bytes.fromhex(text)
        if algorithm != ALGORITHM or len(key) != 32:
            raise ValueError(f"{algorithm} key of {len(key)} bytes")
        if not is_public_key(key):
            raise ValueError("anybody could sign for it")
    except (OSError, ValueError) as error:
        raise UntrustedError(
            f"{path} is not a public key: {error}",
            allowed=f"one line: {ALGORITHM} and 64 hexadecimal digits",
            fix="copy the .pub file that `alledge keygen` wrote again",
        ) from None
    return key


def _read(path: Path) -> str:
    """Return a short text file; reading a pipe or a device might never end."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    if status.st_size > MAX_BYTES:
        raise ValueError(f"it has {status.st_size} bytes, more than {MAX_BYTES}")
    return path.read_text(encoding="ascii")


def format_signature(public: bytes, signature: bytes) -> str:
    """Return the text of a signature file: ``ed25519 <public key> <signature>``."""
    return f"{ALGORITHM} {public.hex()} {signature.hex()}\n"


def verify_with_cryptography(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether a signature is valid, as `ed25519.verify`, with the package cryptography.

    Refuses the keys that `ed25519.is_public_key` refuses; cryptography itself accepts points of
    small order and non-canonical encodings.

    Raises
    ------
    ImportError
        If cryptography is not installed, or its OpenSSL has no Ed25519 (as in FIPS mode).
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from .ed25519 import is_public_key

    if not is_public_key(public):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    except UnsupportedAlgorithm as error:
        raise ImportError(str(error)) from error
    return True


def verify_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether a signature is valid, by cryptography or else by `ed25519.verify`.

    Parameters
    ----------
    public : bytes
        32 bytes.
    message : bytes
    signature : bytes
        64 bytes.
    """
    try:
        return verify_with_cryptography(public, message, signature)
    except ImportError:
        from .ed25519 import verify

        return verify(public, message, signature)


def check_signature(
    content: bytes, signature: Path, purpose: str, keys: dict[str, bytes], what: str
) -> str:
    """Return the name of the trusted key that signed the content.

    Parameters
    ----------
    content : bytes
        The signed content.
    signature : Path
        The signature file.
    purpose : {"bundle", "pack", "site"}
    keys : dict of str to bytes
        As `trusted_keys` returns them.
    what : str
        Name of the content in error messages.

    Raises
    ------
    UntrustedError
        If there is no signature, none of the keys made it, or the content was changed.
    """
    command = "adopt" if purpose == "site" else "pack"
    fix = f"ask the owner of a trusted key for a signed one: alledge {command} --sign KEY"
    try:
        algorithm, public, text = _read(signature).split()
        key, value = bytes.fromhex(public), bytes.fromhex(text)
        if algorithm != ALGORITHM:
            raise ValueError(f"algorithm {algorithm}")
    except FileNotFoundError:
        raise UntrustedError(
            f"{what} is not signed, and this device trusts only {', '.join(keys)}", fix=fix
        ) from None
    except (OSError, ValueError) as error:
        raise UntrustedError(
            f"the signature of {what} is damaged: {signature.name}: {error}", fix=fix
        ) from None
    names = [name for name, trusted in keys.items() if trusted == key]
    if not names:
        raise UntrustedError(
            f"{what} is signed by a key that this device does not trust ({public[:16]}…)",
            allowed=keys,
            fix=fix,
        )
    if not verify_signature(key, PURPOSES[purpose] + content, value):
        raise UntrustedError(f"{what} was changed after {names[0]} signed it", fix=fix)
    return names[0]


def check_bundle(folder: Path, content: bytes) -> str | None:
    """Refuse a bundle that no trusted key signed. Without trusted keys, accept every bundle.

    The bundle in the package is no exception: whoever trusts keys decides which models may answer.

    Parameters
    ----------
    folder : Path
        The bundle's folder.
    content : bytes
        Content of ``bundle.json``, which contains the hash of every other file.

    Returns
    -------
    str or None
        The trusted key that signed it; None if this device trusts no key.

    Raises
    ------
    UntrustedError
        As `check_signature` and `trusted_keys`.
    """
    if not (keys := trusted_keys()):
        return None
    if folder == builtin_folder() and not (folder / SIGNATURE).exists():
        raise UntrustedError(
            f"the bundle that alledge contains is not signed, and this device trusts only "
            f"{', '.join(keys)}",
            fix="name a signed one with --bundle, or sign it for this device and install it: "
            "alledge pack --device NAME --bundle builtin --out FILE --sign KEY",
        )
    return check_signature(content, folder / SIGNATURE, "bundle", keys, str(folder))
