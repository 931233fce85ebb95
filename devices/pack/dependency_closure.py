"""Whether the wheels of a pack are complete: their requirements, evaluated for the board."""

from __future__ import annotations

import email.parser
import importlib
import re
import zipfile
from pathlib import Path
from typing import Any

from ..profiles import Profile

# Environment markers of PEP 508 by system.
MARKERS = {
    "linux": {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux"},
    "macos": {"os_name": "posix", "sys_platform": "darwin", "platform_system": "Darwin"},
    "windows": {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows"},
}
MACHINES = {("windows", "x86_64"): "AMD64", ("macos", "aarch64"): "arm64"}


def marker_environment(profile: Profile, python: str) -> dict[str, str]:
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


def missing_requirements(wheels: Path, profile: Profile, python: str) -> list[str]:
    """Return a description of each requirement that no wheel in a folder satisfies.

    Notes
    -----
    `pip download` evaluates markers for the machine it runs on (pip issue 4304). So a board's
    wheels are downloaded one by one without their requirements, and checked here.
    """
    requirement_class = _requirement_class()
    environment = marker_environment(profile, python)
    versions = {
        _normalized(wheel.name.split("-")[0]): wheel.name.split("-")[1] for wheel in _list(wheels)
    }
    problems = []
    for wheel in _list(wheels):
        for text in _requires_dist(wheel):
            requirement = requirement_class(text)
            if requirement.marker is not None and not requirement.marker.evaluate(environment):
                continue
            version = versions.get(_normalized(requirement.name))
            if version is None:
                problems.append(f"{wheel.name} needs {text}")
            elif not requirement.specifier.contains(version, prereleases=True):
                problems.append(f"{wheel.name} needs {text}, and {version} is here")
    return problems


def _requirement_class() -> Any:
    """Return ``Requirement`` of packaging, or of the copy in pip, which packing needs anyway."""
    try:
        module = importlib.import_module("packaging.requirements")
    except ImportError:
        module = importlib.import_module("pip._vendor.packaging.requirements")
    return module.Requirement


def _list(wheels: Path) -> list[Path]:
    return sorted(wheels.glob("*.whl"))


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _requires_dist(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode("utf-8")
    return email.parser.HeaderParser().parsestr(text).get_all("Requires-Dist", [])
