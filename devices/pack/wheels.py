"""The wheels of a pack: dependencies downloaded by pip, alledge's own built or repacked."""

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
TOP_LEVEL_PACKAGES = ("runtime", "train", "export", "devices", "benchmarks")
ROOT_FILES = (
    "__init__.py", "__main__.py", "cli.py", "errors.py", "py.typed", "setup.cfg",
    "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE",
)  # fmt: skip
BUILTIN = "runtime/builtin/bundle"  # a pack has a bundle of its own, which goes first
OLDEST_GLIBC, OLDEST_MACOS, NEWEST_MACOS = 17, 11, 15
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can store
EPOCH = "315532800"  # the same time, for setuptools
PIP = "pip==26.3"  # one version, so that packs of the same content have the same bytes

# Patterns under site-packages that the installer deletes: 33 MiB that no backend opens. The
# interpreter of ai-edge-litert is in another library than libLiteRt.so, which only its
# compiled-model interface and the GPU accelerator need.
LEAVE_OUT = (
    "ai_edge_litert/libLiteRtWebGpuAccelerator.so",
    "ai_edge_litert/libLiteRt.so",
    "numpy/f2py",
    "numpy/distutils",
    "**/tests",
    "**/*.pyi",
    "**/*.pxd",
    "**/*.h",
    "**/*.a",
)
PIP_COMMAND = (sys.executable, "-m", "pip")
PIP_OPTIONS = ("--quiet", "--no-deps", "--disable-pip-version-check")
NOT_REPACKED = {"direct_url.json", "INSTALLER", "REQUESTED", "RECORD"}

Report = Callable[[str], None]


def platform_tags(profile: Profile, python: str) -> list[str]:
    """Return the platform tags of wheels that a board's system can install, newest first.

    Parameters
    ----------
    profile : Profile
        One on which alledge runs.
    python : str
        ``"3.11"``. The oldest glibc counts of the profile's systems that have this Python, or of
        all its systems if none has it.
    """
    kind, arch = profile.data["pack"]["platform"], profile.arch
    if kind == "win":
        return ["win_amd64" if arch == "x86_64" else "win_arm64"]
    if kind == "macosx":
        cpu = "arm64" if arch == "aarch64" else arch
        versions = range(NEWEST_MACOS, OLDEST_MACOS - 1, -1)
        return [f"macosx_{number}_0_{name}" for number in versions for name in (cpu, "universal2")]
    images = profile.data["images"]
    candidates = [image for image in images if image["python"] == python] or images
    glibc = min(int(image["glibc"].split(".")[1]) for image in candidates)
    tags = [f"manylinux_2_{number}_{arch}" for number in range(glibc, OLDEST_GLIBC - 1, -1)]
    return [*tags, f"manylinux2014_{arch}"]


def fetch_wheels(profile: Profile, python: str, folder: Path, report: Report) -> None:
    """Download the wheels that a board requires, and that of pip.

    Parameters
    ----------
    profile : Profile
    python : str
    folder : Path
        ``wheels/`` and ``tools/`` are created in it.
    report : callable
        Called with a line for each requirement that gets another version than the one installed
        here.

    Raises
    ------
    AlledgeError
        If a requirement has no wheel for that board and that Python.
    MissingPackageError
        If pip is not installed here.
    """
    if importlib.util.find_spec("pip") is None:
        raise MissingPackageError("pip", "tflite", "fetching wheels")
    requirements = list(profile.data["pack"]["requirements"])
    if tuple(map(int, python.split("."))) < (3, 11):
        requirements.append("tomli>=2")
    pinned = [_pinned_to_installed(requirement) for requirement in requirements]
    base = ["--python-version", python, "--implementation", "cp"]
    for tag in platform_tags(profile, python):
        base += ["--platform", tag]
    if error := _download([PIP], [], folder / "tools"):
        raise AlledgeError(f"{PIP} cannot be fetched: {error}", fix="packing needs the network")
    if not _download(pinned, base, folder / "wheels"):
        return
    for same_version, requirement in zip(pinned, requirements, strict=True):
        if _download([same_version], base, folder / "wheels"):
            where = f"{profile.title}, Python {python}"
            report(f"{same_version} has no wheel for {where}: taking {requirement}")
            if error := _download([requirement], base, folder / "wheels"):
                raise AlledgeError(
                    f"{requirement} has no wheel for {profile.title} with Python {python}: {error}",
                    allowed=[image["python"] for image in profile.data["images"]],
                    fix="pack for another Python of this board: --python 3.11",
                )


def _pinned_to_installed(requirement: str) -> str:
    """Return a requirement with the version that is installed here, if there is one."""
    name = re.split(r"[<>=!~; ]", requirement)[0]
    try:
        return f"{name}=={importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return requirement


def _download(requirements: list[str], platform: list[str], folder: Path) -> str | None:
    """Return None if pip downloaded every wheel, otherwise its last error message."""
    command = [*PIP_COMMAND, "download", *PIP_OPTIONS, "--only-binary=:all:", f"--dest={folder}"]
    process = subprocess.run(
        [*command, *platform, *requirements],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    lines = [line for line in process.stderr.splitlines() if line.startswith("ERROR")]
    return None if process.returncode == 0 else (lines or ["pip gives no reason"])[-1]


def add_alledge_wheel(folder: Path) -> Path:
    """Write alledge's wheel into a folder: built from the checkout, or repacked if installed.

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
    """Build in a copy, because a build folder in the checkout would bring back deleted files."""
    with tempfile.TemporaryDirectory(prefix="alledge-wheel-") as parent:
        source, out = Path(parent) / "source", Path(parent) / "out"
        source.mkdir()
        for name in ROOT_FILES:
            shutil.copy(PACKAGE / name, source / name)
        skip = shutil.ignore_patterns("__pycache__", "suite")
        for package in TOP_LEVEL_PACKAGES:
            shutil.copytree(PACKAGE / package, source / package, ignore=skip)
        shutil.rmtree(source / BUILTIN, ignore_errors=True)
        process = subprocess.run(
            [*PIP_COMMAND, "wheel", *PIP_OPTIONS, f"--wheel-dir={out}", str(source)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
            check=False,
        )
        if process.returncode:
            raise AlledgeError(
                f"alledge's own wheel cannot be built: {process.stderr.strip()[-300:]}",
                fix=f"try it by hand: pip wheel --no-deps {PACKAGE}",
            )
        wheel = next(out.glob("alledge-*.whl"))
        return Path(shutil.copy(wheel, folder / wheel.name))


def repack(installed: importlib.metadata.Distribution, folder: Path) -> Path:
    """Write a wheel from the files of an installed pure-Python distribution; return its path."""
    rows: list[tuple[str, str, int]] = []
    name = f"{installed.metadata['Name']}-{installed.version}"
    target = folder / f"{name}-py3-none-any.whl"
    files = sorted(installed.files or (), key=str)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            pure = PurePosixPath(file.as_posix())
            if (
                BUILTIN in pure.as_posix()
                or ".." in pure.parts
                or "__pycache__" in pure.parts
                or pure.name in NOT_REPACKED
            ):
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
    """Return the size of the unpacked wheels of a folder in bytes, before files are left out."""
    total = 0
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            total += sum(entry.file_size for entry in archive.infolist())
    return total


def pinned_requirements(wheels: Path) -> str:
    """Return the text of a requirements file with version and hash of every wheel in a folder."""
    lines = []
    for wheel in sorted(wheels.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name.replace('_', '-')}=={version} --hash=sha256:{digest}\n")
    return "".join(lines)
