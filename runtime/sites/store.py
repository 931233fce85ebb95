"""Writes versions of site profiles: whole or not at all, one process at a time."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import SiteError, UntrustedError, UsageError
from ..bundle.record_file import record_text
from ..bundle.signer import Signer
from ..bundle.signing import trusted_keys
from ..digests import file_digest
from ..file_lock import exclusive_lock
from ..files import flush_folder, replace_file
from ..outputs import make_folder
from .profile import (
    CURRENT,
    MAX_VERSION,
    RECORD,
    SCHEMA,
    SCHEMA_VERSION,
    SIGNATURE,
    UNUSABLE,
    SiteProfile,
    current_version,
    read_version,
    version_folder,
)

LOCK, PART = "lock", ".part"

Arrays = Mapping[str, Mapping[str, NDArray[Any]]]  # by the name of the file


@contextlib.contextmanager
def site_lock(site: Path) -> Iterator[None]:
    """Hold a site while the body of the ``with`` runs, and create its folder.

    Raises
    ------
    SiteError
        If another process holds it.
    UsageError
        If the folder cannot be created or written.
    """
    is_new = not site.exists()
    make_folder(site, "--home")
    if is_new and os.name == "posix":
        site.chmod(0o700)
    busy = SiteError(
        f"another process is commissioning or adopting the site {site.name}",
        fix="wait until it has ended",
    )
    with exclusive_lock(site / LOCK, busy):
        yield


def load_signer(key: Path | None) -> Signer | None:
    """Return the key that signs a new version; None if no version needs a signature.

    Parameters
    ----------
    key : Path or None
        The value of ``--sign``.

    Raises
    ------
    UsageError
        If the file is no secret key.
    UntrustedError
        If this device trusts keys, and this is none of them.
    MissingPackageError
        If cryptography is not installed.
    """
    signer, keys = None if key is None else Signer(key), trusted_keys()
    if keys and (signer is None or signer.public not in keys.values()):
        raise UntrustedError(
            f"this device uses only site profiles that are signed with {', '.join(keys)}",
            fix="--sign KEY with the secret key of one of them",
        )
    return signer


def add_version(
    site: Path, record: dict[str, Any], arrays: Arrays, signer: Signer | None = None
) -> SiteProfile:
    """Write a new version and take it into use; call it inside `site_lock`.

    Parameters
    ----------
    site : Path
        Folder of the site.
    record : dict
        ``site.json`` without what this function knows: schema, name, numbers, hashes, checksum.
    arrays : mapping
        Arrays by the name of their file.
    signer : Signer, optional
        From `load_signer`.

    Returns
    -------
    SiteProfile
        The new version, read again and checked.

    Raises
    ------
    SiteError
        If there are too many versions.

    Notes
    -----
    A version appears by the renaming of a complete folder, and is in use from the replacement of
    one file on. A process that is killed in between leaves the version before in use.
    """
    for leftover in site.glob(f".*{PART}"):
        shutil.rmtree(leftover, ignore_errors=True)
    numbers = [int(path.name[1:]) for path in site.glob("v[0-9][0-9][0-9][0-9]")]
    version = max(numbers, default=0) + 1
    if version > MAX_VERSION:
        raise SiteError(f"{site} has {MAX_VERSION} versions", fix="choose another name")
    folder = version_folder(site, version)
    part = site / f".{folder.name}.{os.getpid()}{PART}"
    part.mkdir()
    try:
        for name, content in arrays.items():
            with replace_file(part / name) as temporary, temporary.open("wb") as stream:
                np.savez(stream, allow_pickle=False, **content)
        document = {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "name": site.name,
            "version": version,
            "previous": _usable_previous(site),
            **record,
            "files": {name: file_digest(part / name) for name in arrays},
        }
        text = record_text(document)
        with replace_file(part / RECORD) as temporary:
            temporary.write_bytes(text)
        if signer is not None:
            with replace_file(part / SIGNATURE) as temporary:
                temporary.write_text(signer.sign(text, "site"), encoding="ascii")
        part.rename(folder)
        flush_folder(site)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    profile = read_version(site, version)
    _use(site, version)
    return profile


def revert(site: Path) -> SiteProfile:
    """Take the version before the one in use into use; call it inside `site_lock`.

    Returns
    -------
    SiteProfile
        The version that is in use now; 0 is the shipped model.

    Raises
    ------
    UsageError
        If the site uses the shipped model already.
    SiteError
        If the version to go back to is damaged.
    """
    version = current_version(site)
    if version == 0:
        raise UsageError(
            f"the site {site.name} uses the shipped model; there is nothing to go back to",
            fix=f"alledge adopt --site {site.name} --checked FILE",
        )
    try:
        before = int(read_version(site, version).record["previous"])
    except UNUSABLE:  # the version with the next lower number
        before = version - 1
    profile = read_version(site, before)
    _use(site, before)
    return profile


def _usable_previous(site: Path) -> int:
    """Return the version in use; 0 if it is damaged, so that `revert` finds one that is not."""
    try:
        return read_version(site, current_version(site)).version
    except UNUSABLE:
        return 0


def _use(site: Path, version: int) -> None:
    with replace_file(site / CURRENT) as temporary:
        temporary.write_text(f"{version}\n", encoding="ascii")
