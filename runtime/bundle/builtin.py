"""The bundle that the package contains; standard library only."""

from __future__ import annotations

from pathlib import Path

BUILTIN_NAME = "builtin"  # of the bundle, in records; also its name on the command line
LICENCE = "LICENSE"


def builtin_folder() -> Path:
    """Return the folder of the bundle in the package, even if it was not built.

    ``LICENSE`` beside it says what the model was trained on, and what to cite.
    """
    return Path(__file__).resolve().parents[1] / "builtin" / "bundle"
