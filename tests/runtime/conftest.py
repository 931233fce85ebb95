"""Fixtures of the runtime's tests: a tiny network in three formats, bundles of it, images."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "tests"


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE.parent / "support" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The tiny network: `tiny.expected(rgb)` is what it must answer."""
    return _module("tiny")


@pytest.fixture(scope="session")
def bundles() -> ModuleType:
    """The writer of test bundles."""
    return _module("bundles")


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """The tiny network in the three formats; made once for each state of its source."""
    source = HERE.parent / "support" / "tiny.py"
    folder = CACHE / f"tiny-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        making = folder.with_name(f"{folder.name}.{os.getpid()}")
        quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        subprocess.run([sys.executable, source, making], check=True, env=quiet, capture_output=True)
        try:
            making.rename(folder)
        except OSError:  # another test process was quicker
            shutil.rmtree(making)
    return folder


@pytest.fixture(scope="session")
def bundle(artifacts: Path, bundles: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole bundle of the tiny network; tests only read it."""
    folder = tmp_path_factory.mktemp("bundles") / "tiny-float32"
    bundles.write_bundle(folder, artifacts)
    return folder


@pytest.fixture
def own_bundle(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may damage."""
    return Path(shutil.copytree(bundle, tmp_path / "bundles" / "tiny-float32"))


def picture(width: int = 320, height: int = 240, seed: int = 0) -> Image.Image:
    """Return a smooth, asymmetric RGB picture."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., Image.Image]:
    """The function that draws test pictures."""
    return picture


@pytest.fixture(autouse=True)
def _nothing_from_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv("ALLEDGE_BUNDLE", raising=False)
    monkeypatch.setenv("ALLEDGE_CACHE", str(tmp_path_factory.getbasetemp() / "engine-cache"))
