"""The site of a workstation: named by an option or a variable, or chosen on the page."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ...errors import SiteError
from ..device_home import SITE_VARIABLE
from ..files import replace_file
from ..regular_files import read_regular_file

FILE = "site"
MOST_BYTES = 1000


def chosen_site(
    named: str | None, home: Path, notice: Callable[[str], object] = lambda text: None
) -> str | None:
    """Return the name of the site of a workstation; None without one.

    Parameters
    ----------
    named : str or None
        The value of ``--site``. It goes before ``$ALLEDGE_SITE``, and that before the name that
        was chosen on the page.
    home : Path
        Folder of the workstation.
    notice : callable
        Gets a line for people if the name was chosen on the page.

    Raises
    ------
    SiteError
        If the file with the name cannot be read.
    """
    if name := named or os.environ.get(SITE_VARIABLE):
        return name
    file = home / FILE
    if not file.exists():
        return None
    content = read_regular_file(file, limit_bytes=MOST_BYTES, error=SiteError)
    name = content.decode("ascii", "replace").strip()
    notice(f"the site {name} was chosen on the page; --site, or removing {file}, changes that")
    return name or None


def remember_site(name: str, home: Path) -> None:
    """Have `chosen_site` return this name from now on."""
    with replace_file(home / FILE) as temporary:
        temporary.write_text(f"{name}\n", encoding="ascii", newline="\n")
