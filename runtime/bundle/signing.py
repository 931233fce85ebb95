"""Who may bring a bundle to this device: the keys it trusts; standard library only.

A device without trusted keys asks for no signature, and looks for one folder only.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ...errors import UntrustedError

ENVIRONMENT = "ALLEDGE_TRUSTED_KEYS"  # a folder of *.pub files
ALGORITHM = "ed25519"
SIGNATURE = "bundle.sig"
PURPOSES = {"bundle": b"alledge bundle\n", "pack": b"alledge pack\n"}  # a bundle is no pack


def trusted_folder() -> Path:
    """Return where this device keeps the keys it trusts, whether or not there are any."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named) if named else Path(sys.prefix) / "share" / "alledge" / "trusted"


def trusted_keys(folder: Path | None = None) -> dict[str, bytes]:
    """Return the keys that a device trusts, by file name.

    Parameters
    ----------
    folder : Path, optional
        By default this device's.

    Raises
    ------
    UntrustedError
        If a key there cannot be read, or the folder that was named is missing or holds no key:
        nothing is trusted then.
    """
    named = folder is not None or ENVIRONMENT in os.environ
    folder = folder or trusted_folder()
    if not folder.is_dir():
        if named:
            raise UntrustedError(
                f"there is no folder of trusted keys {folder}",
                fix=f"put the *.pub files of `alledge keygen` there, or unset {ENVIRONMENT}",
            )
        return {}
    keys = {path.name: read_public_key(path) for path in sorted(folder.glob("*.pub"))}
    if named and not keys:
        raise UntrustedError(
            f"the folder of trusted keys {folder} holds none",
            fix=f"put the *.pub files of `alledge keygen` there, or unset {ENVIRONMENT}",
        )
    return keys


def read_public_key(path: Path) -> bytes:
    """Return the 32 bytes of a public key file: one line, ``ed25519 <hex>``.

    Parameters
    ----------
    path : Path

    Raises
    ------
    UntrustedError
        If it is none, or one for which anybody could sign.
    """
    from .ed25519 import is_public_key

    try:
        algorithm, text = path.read_text(encoding="ascii").split()[:2]
        key = bytes.fromhex(text)
        if algorithm != ALGORITHM or len(key) != 32:
            raise ValueError(f"{algorithm} key of {len(key)} bytes")
        if not is_public_key(key):
            raise ValueError("anybody could sign for it")
    except (OSError, ValueError) as error:
        raise UntrustedError(
            f"{path} is not a public key: {error}",
            allowed=f"one line: {ALGORITHM} and 64 hexadecimal digits",
            fix="copy the .pub file again that `alledge keygen` wrote",
        ) from None
    return key


def format_signature(public: bytes, signature: bytes) -> str:
    """Return the text of a signature file."""
    return f"{ALGORITHM} {public.hex()} {signature.hex()}\n"


def check_signature(
    content: bytes, signature: Path, purpose: str, keys: dict[str, bytes], what: str
) -> str:
    """Return the name of the trusted key that signed something.

    Parameters
    ----------
    content : bytes
        What was signed.
    signature : Path
        The signature file.
    purpose : {"bundle", "pack"}
    keys : dict of str to bytes
        As `trusted_keys` returns them.
    what : str
        What it is, for the message.

    Raises
    ------
    UntrustedError
        If there is no signature, it is not by one of the keys, or the content was changed.
    """
    from .ed25519 import verify

    fix = "get it from whoever holds a trusted key, signed: alledge pack --sign KEY"
    try:
        algorithm, public, text = signature.read_text(encoding="ascii").split()
        key, value = bytes.fromhex(public), bytes.fromhex(text)
        if algorithm != ALGORITHM:
            raise ValueError(f"algorithm {algorithm}")
    except FileNotFoundError:
        raise UntrustedError(
            f"{what} is not signed, and this device trusts only {', '.join(keys)}", fix=fix
        ) from None
    except (OSError, ValueError) as error:
        raise UntrustedError(f"the signature of {what} is damaged: {error}", fix=fix) from None
    names = [name for name, known in keys.items() if known == key]
    if not names:
        raise UntrustedError(
            f"{what} is signed by a key that this device does not trust ({public[:16]}…)",
            allowed=keys,
            fix=fix,
        )
    if not verify(key, PURPOSES[purpose] + content, value):
        raise UntrustedError(f"{what} is not what was signed by {names[0]}", fix=fix)
    return names[0]


def check_bundle(folder: Path, content: bytes) -> None:
    """Refuse a bundle that none of this device's trusted keys signed; pass where it has none.

    Parameters
    ----------
    folder : Path
        The bundle's.
    content : bytes
        Of its record, which names the hash of every other file.

    Raises
    ------
    UntrustedError
        As `check_signature` and `trusted_keys`.
    """
    if keys := trusted_keys():
        check_signature(content, folder / SIGNATURE, "bundle", keys, str(folder))
