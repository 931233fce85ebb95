"""The packages that users install: complete, without tests, small, and installable everywhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from alledge.devices.pack.wheels import ROOT_FILES, TOP_LEVEL_PACKAGES

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent
UV = (sys.executable, "-m", "uv")
TWINE = "twine==6.2.0"
MAX_WHEEL_BYTES = 10_000_000
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PLATFORMS = (
    "x86_64-manylinux_2_28",
    "aarch64-manylinux_2_39",
    "x86_64-pc-windows-msvc",
    "aarch64-apple-darwin",
)
# Packages that have wheels for some platforms only; a source package would need a compiler.
COMPILED = (
    "ai-edge-litert", "cryptography", "h5py", "imagecodecs", "matplotlib", "numpy", "onnx",
    "onnxruntime", "openvino", "pillow", "psutil", "scikit-learn", "scipy", "tensorflow",
    "tensorflow-cpu",
)  # fmt: skip
EXTRAS = {
    "tflite": ("tflite",),
    "onnx": ("onnx",),
    "openvino": ("openvino",),
    "workstation": ("tflite", "station", "report", "sign", "formats"),
    "desk": ("train-cpu", "export", "report"),
}


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    # in a copy: what earlier builds left in a checkout would bring back deleted files
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in (*TOP_LEVEL_PACKAGES, "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ROOT_FILES:
        shutil.copy(ROOT / name, source / name)
    subprocess.run((*UV, "build", "--quiet", "--out-dir", out, source), check=True)
    return out


def test_the_wheel_has_what_users_run_and_no_tests(packages: Path) -> None:
    with zipfile.ZipFile(next(packages.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    tops = {name.split("/")[1] for name in names if name.startswith("alledge/")}
    assert tops <= {*TOP_LEVEL_PACKAGES, *ROOT_FILES}
    assert not [name for name in names if "/internal/" in name or "/suite/" in name]
    own = {
        f"alledge/{path.relative_to(ROOT).as_posix()}"
        for package in TOP_LEVEL_PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file()
        and path.suffix != ".sh"  # for maintainers
        and not {"internal", "suite", "__pycache__"} & set(path.parts)
    }
    assert own <= names


def test_the_wheel_is_small_enough_for_a_device(packages: Path) -> None:
    assert next(packages.glob("*.whl")).stat().st_size <= MAX_WHEEL_BYTES


def test_the_sdist_has_no_tests(packages: Path) -> None:
    with tarfile.open(next(packages.glob("*.tar.gz"))) as sdist:
        assert not [name for name in sdist.getnames() if "/tests/" in name]


def test_twine_accepts_both(packages: Path) -> None:
    files = [*packages.glob("*.whl"), *packages.glob("*.tar.gz")]
    subprocess.run((*UV, "tool", "run", TWINE, "check", "--strict", *files), check=True)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("purpose", EXTRAS)
def test_the_extras_resolve_to_packages_that_need_no_compiler(
    purpose: str, python: str, platform: str
) -> None:
    command = [*UV, "pip", "compile", "--quiet", "setup.cfg", "--python-version", python]
    command += ["--python-platform", platform]
    command += [word for extra in EXTRAS[purpose] for word in ("--extra", extra)]
    command += [word for name in COMPILED for word in ("--only-binary", name)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
