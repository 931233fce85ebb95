"""Fixtures of the devices' tests: trees of boards that are not here, and a bundle."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def load(path: Path) -> ModuleType:
    """Return a module of the tests by its file."""
    spec = importlib.util.spec_from_file_location(f"devices_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def boards() -> ModuleType:
    """The writer of boards' trees."""
    return load(HERE.parent / "support" / "boards.py")


@pytest.fixture(scope="session")
def tiny_artifacts(cache) -> Path:
    """The runtime tests' tiny network in the three formats."""
    source = HERE.parent / "support" / "tiny.py"
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

    def make(folder: Path) -> None:
        subprocess.run([sys.executable, source, folder], check=True, env=quiet, capture_output=True)

    place: Path = cache("devices-tiny", (), make)
    return place


@pytest.fixture(scope="session")
def tiny_model(tiny_artifacts: Path) -> Path:
    """A small real .tflite file."""
    return tiny_artifacts / "model.tflite"
