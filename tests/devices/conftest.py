"""Fixtures of the device tests: the writer of board descriptions and a small .tflite file."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from support import boards as board_files


@pytest.fixture(scope="session")
def boards() -> ModuleType:
    """The writer of the ``/proc`` and ``/sys`` files of boards."""
    return board_files


@pytest.fixture(scope="session")
def tiny_model(artifacts: Path) -> Path:
    """A small real .tflite file."""
    return artifacts / "model.tflite"
