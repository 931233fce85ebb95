"""Starting `classify` again and again: no engine hangs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alledge.benchmarks.internal.hangs import count_hangs, draw_images, start_once
from alledge.runtime.backends import BACKENDS

STARTS, TIMEOUT_S = 50, 60.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_fifty_starts_end(bundle: Path, backend: str) -> None:
    assert count_hangs(bundle, backend, STARTS, TIMEOUT_S, at_once=2) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no signal prints the stacks on Windows")
def test_a_hang_is_counted_with_its_stacks(bundle: Path, tmp_path: Path) -> None:
    stacks = start_once(bundle, "onnx", draw_images(tmp_path), timeout_s=0.05)
    assert stacks is not None
