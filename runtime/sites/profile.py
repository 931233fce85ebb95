"""A site profile: its folder, its checks, and the version in use; writes nothing.

``<home>/sites/NAME/`` holds one folder a version, and the file ``current`` with the number of the
version in use. A version is never changed. Number 0 means that the site uses the shipped model.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BundleError, SiteError, UntrustedError, UsageError
from ..bundle.bundle import Bundle
from ..bundle.feature_output import MAX_FEATURES
from ..bundle.last_layers import LastLayer
from ..bundle.npz import read_arrays
from ..bundle.record_file import record_text
from ..bundle.signing import check_signature, trusted_keys
from ..bundle.validation import FORMATS, LARGEST_TEMPERATURE, LEAST_TEMPERATURE, SHA256_DIGITS
from ..device_home import SITE_VARIABLE, device_home
from ..digests import file_digest
from ..guards.site_setup import SiteSetup, check_setup
from ..json_documents import parse_json
from ..json_values import (
    InvalidValueError,
    check_boolean,
    check_choice,
    check_hex,
    check_integer,
    check_number,
    check_numbers,
    check_object,
    check_text,
)
from ..regular_files import read_regular_file
from .refit import SiteHead

SCHEMA, SCHEMA_VERSION = "alledge/site", 1
SITES, RECORD, HEAD, EXAMPLES = "sites", "site.json", "head.npz", "examples.npz"
SIGNATURE = "site.sig"
CURRENT = "current"
MAX_BYTES, MAX_VERSION = 4 << 20, 9999
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows
KEYS = (
    "schema", "schema_version", "name", "version", "previous", "created", "alledge", "bundle",
    "task", "backend", "head", "adoption", "commission", "files", "checksum",
)  # fmt: skip
UNUSABLE = (SiteError, UntrustedError)  # what `read_version` raises
COVERED, CORRECTED, NOT_COVERED = "covered", "covered after correction", "not covered"
VERDICTS = (COVERED, CORRECTED, NOT_COVERED)
FIX = "go back with `alledge adopt --site NAME --revert`, or adopt again"


@dataclass(frozen=True)
class SiteProfile:
    """The version of a site profile that is in use.

    Parameters
    ----------
    name : str
    version : int
        0 if the site uses the shipped model.
    folder : Path
        Of the site.
    record : dict
        The content of ``site.json``; empty for version 0.
    head : SiteHead or None
        The refitted last layer and its rule.
    """

    name: str
    version: int
    folder: Path
    record: dict[str, Any]
    head: SiteHead | None = None

    @property
    def label(self) -> str:
        """Name and version, as records name the site."""
        return f"{self.name}@{self.version}"

    @property
    def digest(self) -> str | None:
        """What identifies the profile in the history; None for the shipped model."""
        return f"sha256:{self.record['checksum']}" if self.record else None

    @property
    def coverage(self) -> str | None:
        """The verdict of `alledge commission`; None for a site that was not commissioned."""
        commission = self.record.get("commission")
        return None if commission is None else str(commission["verdict"])

    @property
    def backend(self) -> str | None:
        """The format whose last layer was refitted; None if none was."""
        return self.record.get("backend") if self.head is not None else None

    @property
    def setup(self) -> SiteSetup | None:
        """The imaging setup that the guards know too; None if nothing justifies it.

        The setup of a commissioned site counts where its cells look like those of training, or
        where a person's labels have shown what the adopted layer is worth there.
        """
        commission = self.record.get("commission")
        if commission is None or not (commission["known_setup"] or self.head is not None):
            return None
        setup: SiteSetup = commission["setup"]
        return setup

    def check_use(self, bundle: Bundle, backend: str) -> str:
        """Return the backend to use with a bundle: the one that was adopted, if one was.

        Parameters
        ----------
        bundle : Bundle
        backend : str
            A key of `BACKENDS`, or ``"auto"``.

        Raises
        ------
        SiteError
            If the profile was not made with the bundle, or its layer was fitted to the features of
            another backend.
        """
        if self.record and self.record["bundle"]["digest"] != bundle.digest:
            own = self.record["bundle"]
            raise SiteError(
                f"the profile {self.label} belongs to the bundle {own['name']} "
                f"{own['digest'][:19]}, not to {bundle.name} {bundle.digest[:19]}",
                fix=f"--bundle with the bundle {own['name']}; or commission or adopt the site with "
                "this bundle; or leave --site out",
            )
        if self.backend is None or backend == self.backend:
            return backend
        if backend == "auto":
            return self.backend
        raise SiteError(
            f"the site {self.label} was adopted with the features of {self.backend}, not of "
            f"{backend}: those of an int8 artifact differ",
            fix=f"--backend {self.backend}, or adopt again with --backend {backend}",
        )


def site_folder(name: str, home: str | Path | None = None) -> Path:
    """Return the folder of a site, even if there is none.

    Raises
    ------
    UsageError
        If the name is no name of a site, or the user has no home folder.
    """
    if not NAME.fullmatch(name) or RESERVED.fullmatch(name) or name.endswith("."):
        raise UsageError(
            f"{name!r} is no name of a site",
            allowed="1 to 64 letters, digits, dots, hyphens and underscores, not first a sign",
            fix="for example olympus-room-3",
        )
    return device_home(home) / SITES / name


def installed_sites() -> Path:
    """Return the folder of the site profiles that a pack installed, whether or not it exists.

    They are only read; a profile of the same name in the device's own folder goes first.
    """
    return Path(sys.prefix) / "share" / "alledge" / SITES


def version_folder(site: Path, version: int) -> Path:
    """Return the folder of a version of a site."""
    return site / f"v{version:04d}"


def current_version(site: Path) -> int:
    """Return the number of the version in use; 0 without one.

    Raises
    ------
    SiteError
        If the file with the number is damaged.
    """
    file = site / CURRENT
    if not file.exists():
        return 0
    text = read_regular_file(file, limit_bytes=100, error=SiteError).decode("ascii", "replace")
    if not re.fullmatch(r"\d{1,4}\n?", text):
        raise SiteError(f"{file} holds {text[:20]!a}, not the number of a version", fix=FIX)
    return int(text)


def open_site(name: str, home: str | Path | None = None) -> SiteProfile:
    """Open the version of a site profile that is in use, and check it.

    Parameters
    ----------
    name : str
    home : str or Path, optional
        As `device_home`.

    Returns
    -------
    SiteProfile

    Raises
    ------
    UsageError
        If the name is no name of a site, or there is no such site.
    SiteError
        If the profile is incomplete, was changed, or has a value that cannot be meant.
    UntrustedError
        If this device trusts keys, and none of them signed the profile.
    """
    return read_version(*version_in_use(name, home))


def version_in_use(name: str, home: str | Path | None = None) -> tuple[Path, int]:
    """Return the folder of a site and the number of the version in use; as `open_site`."""
    own, installed = site_folder(name, home), installed_sites() / name
    for site in (own, installed):
        if (site / CURRENT).is_file():
            return site, current_version(site)
    if own.is_dir():
        return own, 0
    folders = (own.parent, installed_sites())
    others = sorted({path.name for folder in folders for path in folder.glob("*") if path.is_dir()})
    raise UsageError(
        f"there is no site {name!r} in {own.parent}",
        allowed=others or None,
        fix="alledge adopt --site NAME --checked FILE",
    )


def usable_profile(name: str, home: str | Path | None, bundle: Bundle) -> SiteProfile | None:
    """Return the profile in use that a new version builds on; None if it is of another bundle.

    Also None if there is none yet, or it is damaged or not trusted: the new version stands alone.
    """
    try:
        profile = open_site(name, home)
    except (UsageError, *UNUSABLE):
        return None
    is_own = profile.record and profile.record["bundle"]["digest"] == bundle.digest
    return profile if is_own else None


def read_version(site: Path, version: int) -> SiteProfile:
    """Return a version of a site profile, after all checks; as `open_site`."""
    if version == 0:
        return SiteProfile(site.name, 0, site, {})
    folder = version_folder(site, version)
    content = read_regular_file(folder / RECORD, limit_bytes=MAX_BYTES, error=SiteError, fix=FIX)
    if keys := trusted_keys():
        what = f"the profile {site.name}@{version}"
        check_signature(content, folder / SIGNATURE, "site", keys, what)
    record = parse_json(content, folder / RECORD, error=SiteError, fix=FIX)
    try:
        _check_record(record, site.name, version)
    except InvalidValueError as error:
        what = f"{folder / RECORD}: {error.key} {error.what}"
        raise SiteError(what, allowed=error.allowed, fix=FIX) from None
    if record_text(record) != content:
        raise SiteError(f"{folder / RECORD} was changed after it was written", fix=FIX)
    for file, digest in record["files"].items():
        path = folder / file
        actual = file_digest(path) if path.is_file() else "missing"
        if actual != digest:
            raise SiteError(
                f"{path} is not the file that was written: the profile names {digest}, it is "
                f"{actual}",
                fix=FIX,
            )
    head = None if record["head"] is None else _read_head(folder, record["head"])
    return SiteProfile(site.name, version, site, record, head)


def site_in_use(name: str | None, home: str | Path | None = None) -> SiteProfile | None:
    """Return the profile that a command uses: the named one, else that of ``$ALLEDGE_SITE``."""
    name = name or os.environ.get(SITE_VARIABLE)
    return open_site(name, home) if name else None


def _check_record(record: object, name: str, version: int) -> None:
    row = check_object(record, "", KEYS)
    check_choice(row["schema"], "schema", [SCHEMA])
    check_integer(row["schema_version"], "schema_version", SCHEMA_VERSION, SCHEMA_VERSION)
    check_choice(row["name"], "name", [name])
    check_integer(row["version"], "version", version, version)
    check_integer(row["previous"], "previous", 0, version - 1)
    bundle = check_object(row["bundle"], "bundle", ["name", "digest"])
    check_text(bundle["name"], "bundle.name")
    check_text(bundle["digest"], "bundle.digest")
    if row["adoption"] is not None:
        check_object(row["adoption"], "adoption")
    if row["commission"] is not None:
        commission = check_object(
            row["commission"], "commission", ["setup", "known_setup", "verdict"]
        )
        check_setup(commission["setup"], "commission.setup")
        check_boolean(commission["known_setup"], "commission.known_setup")
        check_choice(commission["verdict"], "commission.verdict", VERDICTS)
    names = [RECORD] if row["head"] is None else [RECORD, HEAD, EXAMPLES]
    for file, digest in check_object(row["files"], "files", names[1:]).items():
        check_choice(file, "the name of a file", names)
        check_hex(digest, f"files.{file}", SHA256_DIGITS)
    if row["head"] is None:
        return
    check_choice(row["backend"], "backend", FORMATS)
    head = check_object(row["head"], "head", ["size", "labels", "temperature", "threshold", "band"])
    check_integer(head["size"], "head.size", 1, MAX_FEATURES)
    check_integer(head["labels"], "head.labels", 2, 1000)
    check_number(head["temperature"], "head.temperature", LEAST_TEMPERATURE, LARGEST_TEMPERATURE)
    check_number(head["threshold"], "head.threshold", 0, 1)
    check_numbers(head["band"], "head.band", 2, 0, 1)


def _read_head(folder: Path, row: dict[str, Any]) -> SiteHead:
    shapes = {"weights": (row["size"], row["labels"]), "bias": (row["labels"],)}
    try:
        arrays = read_arrays(folder / HEAD, shapes, np.float32)
    except BundleError as error:
        raise SiteError(error.what, allowed=error.allowed, fix=FIX) from None
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise SiteError(f"{folder / HEAD} has values that are not finite", fix=FIX)
    low, high = row["band"]
    layer = LastLayer(arrays["weights"], arrays["bias"])
    return SiteHead(layer, row["temperature"], row["threshold"], (low, high))
