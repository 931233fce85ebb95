"""Finds the bundle that answers where none is named; standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ...errors import BundleError, UsageError
from ..terminal import printable
from .builtin import BUILTIN_NAME, builtin_folder
from .bundle import Bundle
from .record_file import RECORD

BUNDLE_VARIABLE = "ALLEDGE_BUNDLE"
BUNDLES = Path("bundles")  # the folder into which `alledge export` writes


def installed_bundle() -> Path:
    """Return the folder of the bundle that a pack installs, even if there is none."""
    return Path(sys.prefix) / "share" / "alledge" / "bundle"


def open_bundle(named: str | Path | None = None) -> Bundle:
    """Open the bundle to use.

    Parameters
    ----------
    named : str or Path, optional
        As `find_bundle`.

    Raises
    ------
    UsageError
        As `find_bundle`.
    BundleError
        As `Bundle.open`. The message names ``$ALLEDGE_BUNDLE`` where the path comes from it.
    """
    path = find_bundle(named)
    try:
        return Bundle.open(path)
    except BundleError as error:
        if named is not None or not os.environ.get(BUNDLE_VARIABLE):
            raise
        raise type(error)(
            f"{error.what} (the variable {BUNDLE_VARIABLE} names it)",
            allowed=error.allowed,
            fix=f"{error.fix}; or correct {BUNDLE_VARIABLE}, or unset it",
        ) from None


def is_bundle(path: Path) -> bool:
    """Return whether `Bundle.open` finds a bundle under a name; its content is not read."""
    return (path / RECORD).is_file() or (path == Path(BUILTIN_NAME) and not path.exists())


def builtin_notice(bundle: Bundle) -> str | None:
    """Return the line that tells people that the bundle in the package answers; else None."""
    if not bundle.is_builtin:
        return None
    card = printable(str(bundle.path / "MODEL_CARD.md"))
    return f"no bundle was named: the built-in one answers; what it is worth: {card}"


def find_bundle(named: str | Path | None = None) -> Path:
    """Return the bundle to use.

    It is the named one, else that of the environment variable, else the one installed on this
    device, else the only one under ``bundles``, else the one in the package.

    Parameters
    ----------
    named : str or Path, optional
        The value of ``--bundle``.

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        If none was named, and there is more than one under ``bundles``, or none anywhere.
    """
    if named is not None:
        return Path(named)
    if from_environment := os.environ.get(BUNDLE_VARIABLE):
        return Path(from_environment)
    if (installed_bundle() / RECORD).is_file():
        return installed_bundle()
    # the folder of a killed export begins with a dot
    bundles = sorted(record.parent for record in BUNDLES.glob(f"[!.]*/{RECORD}"))
    if len(bundles) == 1:
        return bundles[0]
    if bundles:
        raise UsageError(
            f"there are {len(bundles)} bundles under {BUNDLES}, and none was named",
            allowed=[path.as_posix() for path in bundles],
            fix=f"--bundle {bundles[0].as_posix()}",
        )
    if (builtin_folder() / RECORD).is_file():
        return builtin_folder()
    raise UsageError(
        f"no bundle was named, {BUNDLE_VARIABLE} is not set, and there is none under {BUNDLES}",
        fix="--bundle FOLDER, or make one: alledge export --model mobilenetv2 --int8",
    )
