"""Checks that the packages of the extra ``archive`` are installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from ...errors import MissingPackageError

EXTRA = "archive"


def require_packages(names: Iterable[str], purpose: str) -> None:
    """Check that packages are installed, without importing them.

    Parameters
    ----------
    names : iterable of str
    purpose : str
        What needs them.

    Raises
    ------
    MissingPackageError
        If one is missing.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise MissingPackageError(name, EXTRA, purpose)
