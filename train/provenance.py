"""Which code and which packages computed a result; imports neither numpy nor keras."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, TypedDict

from .. import __version__
from ..runtime.provenance import source_commit

PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow", "scikit-learn", "scipy")


class CodeVersion(TypedDict):
    """The version of alledge and the commit of its source, None outside a git checkout."""

    version: str
    commit: str | None


def code_version() -> CodeVersion:
    """Return the version of alledge that runs."""
    return {"version": __version__, "commit": source_commit()}


def package_versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of those packages that are installed.

    Parameters
    ----------
    packages : iterable of str
        Names as pip knows them.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> package_versions(["numpy"])  # doctest: +SKIP
    {'python': '3.11.9', 'numpy': '2.4.6'}
    """
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def utc_now() -> str:
    """Return the current time in UTC, to the second, as in ``2026-01-31T12:00:00Z``."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def provenance_line(document: Mapping[str, Any]) -> str:
    """Return the versions that a document was computed with, as one line for the foot of a page.

    Parameters
    ----------
    document : mapping
        With the keys ``code`` (as `code_version`) and ``versions`` (as `package_versions`).

    Returns
    -------
    str
    """
    code = document["code"]
    commit = f", commit {code['commit']}" if code["commit"] else ""
    packages = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    return f"alledge {code['version']}{commit}; {packages}."
