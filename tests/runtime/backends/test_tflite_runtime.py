"""The package tflite-runtime, in its own environment with numpy < 2."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from support.environments import interpreter

ROOT = Path(__file__).parents[3]
PACKAGES = ("tflite-runtime", "numpy<2", "pillow", "click")


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of that environment; made once, kept in the cache."""
    return interpreter("tflite-runtime", *PACKAGES)


@pytest.fixture
def run(python: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    parent = tmp_path / "parent"
    parent.mkdir()
    (parent / "alledge").symlink_to(ROOT, target_is_directory=True)

    def start(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), "-m", "alledge", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(parent), "PYTHONIOENCODING": "utf-8"},
        )

    return start


def test_verify_passes_and_names_the_runtime(
    run: Callable[..., subprocess.CompletedProcess[str]], bundle: Path
) -> None:
    done = run("verify", bundle, "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)["backends"]["tflite"]
    assert row["status"] == "pass"
    assert row["engine"].startswith("tflite-runtime 2.")


def test_classify_prints_the_record_and_nothing_else(
    run: Callable[..., subprocess.CompletedProcess[str]],
    bundle: Path,
    tmp_path: Path,
    make_picture: Callable[..., Image.Image],
) -> None:
    make_picture().save(tmp_path / "slide.jpg")
    done = run("classify", "slide.jpg", "--bundle", bundle, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["backend"] == "tflite"
    assert done.stderr == ""


def test_a_backend_that_is_not_installed_names_its_extra(
    run: Callable[..., subprocess.CompletedProcess[str]], bundle: Path
) -> None:
    done = run("classify", "slide.jpg", "--bundle", bundle, "--backend", "onnx")
    assert done.returncode == 1
    assert 'pip install "alledge[onnx]"' in done.stderr
