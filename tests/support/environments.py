"""Environments of their own, for packages that do not go together with the development ones.

Made once by pip and kept under ``.cache``; a test that needs one is skipped with a reason where
it cannot be made.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
INSTALL_S = 300


def interpreter(name: str, *packages: str) -> Path:
    """Return the interpreter of an environment that holds these packages."""
    key = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]  # other pins, another place
    place = ROOT / ".cache" / f"{name}-{PYTHON}-{key}"
    program = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not program.is_file():
        making = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            venv.create(making, with_pip=True, symlinks=sys.platform != "win32")
            pip = [str(making / program.relative_to(place)), "-m", "pip", "install", "-q"]
            done = subprocess.run(
                [*pip, "--only-binary", ":all:", *packages],
                capture_output=True,
                text=True,
                timeout=INSTALL_S,
            )
            if done.returncode:
                why = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
                pytest.skip(f"pip cannot install {packages[0]} here: {' '.join(why[:1])}")
            making.rename(place)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"no environment can be made here: {error}")
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return program


def pinned(package: str) -> str:
    """Return a requirement of the version that is installed here."""
    return f"{package}=={version(package)}"


def missing_library(said: str) -> str | None:
    """Return the shared library that a package did not find on this machine."""
    found = re.search(r"(lib[\w.+-]+): cannot open shared object file", said)
    return found[1] if found else None
