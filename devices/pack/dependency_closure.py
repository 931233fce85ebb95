"""Whether the wheels of a pack need one that is not among them, as the board would ask."""

from __future__ import annotations

import email.parser
import importlib
import re
import zipfile
from pathlib import Path
from typing import Any

from ..profiles import Profile

# What a board's Python says of itself, where an environment marker asks: PEP 508.
MARKERS = {
    "linux": {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux"},
    "macos": {"os_name": "posix", "sys_platform": "darwin", "platform_system": "Darwin"},
    "windows": {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows"},
}
MACHINES = {("windows", "x86_64"): "AMD64", ("macos", "aarch64"): "arm64"}


def environment_of(profile: Profile, python: str) -> dict[str, str]:
    """Return the values of a board's environment markers.

    Parameters
    ----------
    profile : Profile
    python : str
        ``"3.11"``.
    """
    return {
        **MARKERS[profile.system],
        "platform_machine": MACHINES.get((profile.system, profile.arch), profile.arch),
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }


def lacking(wheels: Path, profile: Profile, python: str) -> list[str]:
    """Return what the wheels of a folder require and the folder does not hold, in words.

    Parameters
    ----------
    wheels : Path
    profile : Profile
    python : str

    Notes
    -----
    `pip download` evaluates markers for the desk (pip #4304), so a board's wheels are fetched one
    by one and without their requirements; this is what notices a new one.
    """
    read = _requirement_reader()
    here = environment_of(profile, python)
    held = {_plain(wheel.name.split("-")[0]): wheel.name.split("-")[1] for wheel in _in(wheels)}
    found = []
    for wheel in _in(wheels):
        for text in _requires(wheel):
            wanted = read(text)
            if wanted.marker is not None and not wanted.marker.evaluate(here):
                continue
            version = held.get(_plain(wanted.name))
            if version is None:
                found.append(f"{wheel.name} needs {text}")
            elif not wanted.specifier.contains(version, prereleases=True):
                found.append(f"{wheel.name} needs {text}, and {version} is here")
    return found


def _requirement_reader() -> Any:
    """Return the class that reads requirements; pip, which fetches the wheels, carries one."""
    try:
        module = importlib.import_module("packaging.requirements")
    except ImportError:
        module = importlib.import_module("pip._vendor.packaging.requirements")
    return module.Requirement


def _in(wheels: Path) -> list[Path]:
    return sorted(wheels.glob("*.whl"))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _requires(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode("utf-8")
    return email.parser.HeaderParser().parsestr(text).get_all("Requires-Dist", [])
