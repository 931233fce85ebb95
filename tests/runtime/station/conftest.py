"""Fixtures of the tests of the workstation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alledge.runtime.station.history.store import History
from support.histories import filled


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty folder of a workstation."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def history(home: Path) -> Iterator[History]:
    """Three results, an unread file and three verdicts."""
    with filled(home) as opened:
        yield opened
