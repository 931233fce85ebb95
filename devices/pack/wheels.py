"""The wheels of a pack: others' fetched by pip, alledge's own built or put together again."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ...errors import AlledgeError, MissingPackageError
from ..profiles import Profile

PACKAGE = Path(__file__).resolve().parents[2]
ROOMS = ("runtime", "train", "export", "devices", "benchmarks")
ROOT_FILES = (
    *("__init__.py", "__main__.py", "cli.py", "errors.py", "py.typed"),
    *("setup.cfg", "pyproject.toml", "README.md", "LICENSE"),
)
OLDEST_GLIBC, OLDEST_MACOS, NEWEST_MACOS = 17, 11, 15
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can name
EPOCH = "315532800"  # the same, for setuptools
PIP = "pip==26.3"  # one version, so that a pack of the same content has the same bytes

# What the installer deletes under site-packages once pip is done: 33 MiB that no backend opens.
# ai-edge-litert loads libLiteRt.so only where it lies, for a programming interface that is not
# used here, and the GPU's accelerator through that; the interpreter is in another library.
LEAVE_OUT = (
    *("ai_edge_litert/libLiteRtWebGpuAccelerator.so", "ai_edge_litert/libLiteRt.so"),
    *("numpy/f2py", "numpy/distutils"),
    *("**/tests", "**/*.pyi", "**/*.pxd", "**/*.h", "**/*.a"),
)
NOT_REPACKED = {"direct_url.json", "INSTALLER", "REQUESTED", "RECORD"}

Say = Callable[[str], None]


def platform_tags(profile: Profile, python: str) -> list[str]:
    """Return the wheel platforms that a board's system takes, newest first.

    Parameters
    ----------
    profile : Profile
        One that runs.
    python : str
        ``"3.11"``: the image that has it says which glibc there is; the oldest one otherwise.
    """
    kind, arch = profile.data["pack"]["platform"], profile.arch
    if kind == "win":
        return ["win_amd64" if arch == "x86_64" else "win_arm64"]
    if kind == "macosx":
        cpu = "arm64" if arch == "aarch64" else arch
        versions = range(NEWEST_MACOS, OLDEST_MACOS - 1, -1)
        return [f"macosx_{number}_0_{name}" for number in versions for name in (cpu, "universal2")]
    images = profile.data["images"]
    fitting = [image for image in images if image["python"] == python] or images
    glibc = min(int(image["glibc"].split(".")[1]) for image in fitting)
    tags = [f"manylinux_2_{number}_{arch}" for number in range(glibc, OLDEST_GLIBC - 1, -1)]
    return [*tags, f"manylinux2014_{arch}"]


def fetch_wheels(profile: Profile, python: str, folder: Path, say: Say) -> None:
    """Download the wheels of a board's requirements, and pip's own, for its platform.

    Parameters
    ----------
    profile : Profile
    python : str
    folder : Path
        Gets ``wheels/`` and ``tools/``.
    say : callable
        Gets a line for a requirement that cannot have the version installed here.

    Raises
    ------
    AlledgeError
        If one has no wheel for that board and that Python.
    MissingPackageError
        If pip is not installed here.
    """
    if importlib.util.find_spec("pip") is None:
        raise MissingPackageError("pip", "tflite", "fetching wheels")
    requirements = list(profile.data["pack"]["requirements"])
    if tuple(map(int, python.split("."))) < (3, 11):
        requirements.append("tomli>=2")
    wanted = [_as_here(requirement) for requirement in requirements]
    base = ["--python-version", python, "--implementation", "cp"]
    for tag in platform_tags(profile, python):
        base += ["--platform", tag]
    if error := _download([PIP], [], folder / "tools"):
        raise AlledgeError(f"{PIP} cannot be fetched: {error}", fix="packing needs the network")
    if not _download(wanted, base, folder / "wheels"):
        return
    for here, requirement in zip(wanted, requirements, strict=True):
        if _download([here], base, folder / "wheels"):
            say(f"{here} has no wheel for {profile.title}, Python {python}: taking {requirement}")
            if error := _download([requirement], base, folder / "wheels"):
                raise AlledgeError(
                    f"{requirement} has no wheel for {profile.title} with Python {python}: {error}",
                    allowed=[image["python"] for image in profile.data["images"]],
                    fix="pack for another Python of this board: --python 3.11",
                )


def _as_here(requirement: str) -> str:
    """Return the requirement at the version that was tested here, if it is installed."""
    name = re.split(r"[<>=!~; ]", requirement)[0]
    try:
        return f"{name}=={importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return requirement


def _download(requirements: list[str], platform: list[str], folder: Path) -> str | None:
    """Return None where pip found every wheel, else its last word."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--disable-pip-version-check", "--dest", str(folder)]
    done = subprocess.run(
        [*command, *platform, *requirements],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return None if done.returncode == 0 else (lines or ["pip says nothing"])[-1]


def own_wheel(folder: Path) -> Path:
    """Put alledge's own wheel into a folder: built from the checkout, else the installed version.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    AlledgeError
        If building fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (PACKAGE / "setup.cfg").is_file():
        return _build(folder)
    return repack(importlib.metadata.distribution("alledge"), folder)


def _build(folder: Path) -> Path:
    """Build in a copy: a build folder left in the checkout would bring back deleted files."""
    with tempfile.TemporaryDirectory(prefix="alledge-wheel-") as place:
        source, out = Path(place) / "source", Path(place) / "out"
        source.mkdir()
        for name in ROOT_FILES:
            shutil.copy(PACKAGE / name, source / name)
        skip = shutil.ignore_patterns("__pycache__", "suite")
        for room in ROOMS:
            shutil.copytree(PACKAGE / room, source / room, ignore=skip)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
                *("--disable-pip-version-check", "--wheel-dir", str(out), str(source)),
            ],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
            check=False,
        )
        if done.returncode:
            raise AlledgeError(
                f"alledge's own wheel cannot be built: {done.stderr.strip()[-300:]}",
                fix=f"try it by hand: pip wheel --no-deps {PACKAGE}",
            )
        made = next(out.glob("alledge-*.whl"))
        return Path(shutil.copy(made, folder / made.name))


def repack(installed: importlib.metadata.Distribution, folder: Path) -> Path:
    """Return a wheel put together from an installed pure-Python distribution.

    Parameters
    ----------
    installed : importlib.metadata.Distribution
    folder : Path
    """
    rows: list[tuple[str, str, int]] = []
    name = f"{installed.metadata['Name']}-{installed.version}"
    target = folder / f"{name}-py3-none-any.whl"
    files = sorted(installed.files or (), key=str)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            pure = PurePosixPath(file.as_posix())
            if ".." in pure.parts or "__pycache__" in pure.parts or pure.name in NOT_REPACKED:
                continue
            content = Path(str(file.locate())).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            rows.append((str(pure), f"sha256={digest.decode()}", len(content)))
            archive.writestr(zipfile.ZipInfo(str(pure), ZIP_TIME), content)
        record = f"{name}.dist-info/RECORD"
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*rows, (record, "", "")])
        archive.writestr(zipfile.ZipInfo(record, ZIP_TIME), text.getvalue())
    return target


def unpacked_bytes(wheels: Path) -> int:
    """Return what the wheels of a folder take once they are unpacked, before anything is left out.

    Parameters
    ----------
    wheels : Path
    """
    total = 0
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            total += sum(entry.file_size for entry in archive.infolist())
    return total


def pinned(wheels: Path) -> str:
    """Return a requirements file that names every wheel of a folder, with its hash.

    Parameters
    ----------
    wheels : Path
    """
    lines = []
    for wheel in sorted(wheels.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name.replace('_', '-')}=={version} --hash=sha256:{digest}\n")
    return "".join(lines)
