"""The bundle that the package contains; standard library only.

``runtime/builtin/LICENSE`` says what it was trained on, under which conditions it may be used, and
what to cite. ``make builtin`` makes it.
"""

from __future__ import annotations

from pathlib import Path

BUILTIN_NAME = "builtin"  # of the bundle, in records; also its name on the command line
LICENCE = Path(__file__).resolve().parents[1] / "builtin" / "LICENSE"
FOLDER = LICENCE.with_name("bundle")


def builtin_folder() -> Path:
    """Return the folder of the bundle in the package, even if it was not built."""
    return FOLDER
