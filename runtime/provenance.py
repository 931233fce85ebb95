"""The commit that alledge's source was checked out from; standard library only."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 10


def source_commit() -> str | None:
    """Return the commit of alledge's source code.

    Returns
    -------
    str or None
        Twelve hexadecimal digits, followed by ``-dirty`` if a tracked file was changed since that
        commit. None if alledge does not run from its own git checkout.

    Examples
    --------
    >>> source_commit()  # doctest: +SKIP
    '6ecc900ab12f'
    """
    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve() != ROOT:
            return None  # installed into the repository of another project
        commit = _git("rev-parse", "--short=12", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty" if changes else commit


def _git(*arguments: str) -> str:
    completed = subprocess.run(
        ["git", *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=TIMEOUT_S,
    )
    return completed.stdout.strip()
