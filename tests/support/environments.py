"""Virtual environments for packages that conflict with the development ones.

pip builds each one once; it stays under ``.cache``. A test that needs one is skipped, with the
reason, where it cannot be built.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import pytest
from filelock import FileLock

from support.build_cache import CACHE

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
INSTALL_S = 300


def interpreter(name: str, *packages: str) -> Path:
    """Return the Python interpreter of an environment that holds these packages."""
    key = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    folder = CACHE / f"{name}-{PYTHON}-{key}"
    program = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / f"{folder.name}.lock"):
        if not (folder / program).is_file():
            partial = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            try:
                _install(partial, program, packages)
                partial.rename(folder)
            except (OSError, subprocess.SubprocessError) as error:
                pytest.skip(f"no virtual environment can be made here: {error}")
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return folder / program


def _install(folder: Path, program: str, packages: tuple[str, ...]) -> None:
    venv.create(folder, with_pip=True, symlinks=sys.platform != "win32")
    done = subprocess.run(
        [folder / program, "-m", "pip", "install", "-q", "--only-binary", ":all:", *packages],
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        pytest.skip(f"pip cannot install {packages[0]} here: {' '.join(errors[:1])}")


def pinned(package: str) -> str:
    """Return a requirement of the version that is installed here."""
    return f"{package}=={version(package)}"


def missing_library(output: str) -> str | None:
    """Return the shared library that a package did not find, from what it printed."""
    match = re.search(r"(lib[\w.+-]+): cannot open shared object file", output)
    return match[1] if match else None
