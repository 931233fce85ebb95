"""The scripts that alledge is compared with run, and give the same scores as alledge."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from alledge.benchmarks.internal import cold_start, steady_state
from alledge.benchmarks.internal.bare_scripts import cells_script, classify_script
from alledge.runtime.backends import BACKENDS
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.classifier import Classifier
from alledge.runtime.imaging import load_rgb
from alledge.runtime.metrics.decisions import apply_temperature

Maker = Callable[..., Image.Image]


@pytest.fixture
def field(tmp_path: Path, make_picture: Maker) -> Path:
    make_picture(800, 600).save(tmp_path / "field.jpg")
    return tmp_path / "field.jpg"


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_bare_script_gives_the_networks_answer(
    bundle: Path, field: Path, tiny: ModuleType, backend: str
) -> None:
    artifact = bundle / Bundle.open(bundle).formats[backend].file
    done = subprocess.run(
        [sys.executable, "-c", classify_script(backend, 2), artifact, field],
        capture_output=True,
        text=True,
        check=True,
    )
    scores = [float(word) for word in done.stdout.strip(" []\n").split()]
    assert scores[1] == pytest.approx(tiny.expected(load_rgb(field)), abs=1e-4)


def test_the_bare_script_gives_the_answers_of_every_cell() -> None:
    field = Path(__file__).parents[3] / "docs" / "tutorials" / "field.jpg"
    with Classifier.load("builtin", "tflite", threads=1) as classifier:
        cells = classifier.classify(field).cells
        artifact = classifier.bundle.formats["tflite"]
        model, blast = (
            classifier.bundle.path / artifact.file,
            classifier.bundle.labels.index("blast"),
        )
    script = [sys.executable, "-c", cells_script("tflite", 1), model, field]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    scores = [
        [float(word) for word in line.strip(" []").split()] for line in done.stdout.splitlines()
    ]
    calibrated = apply_temperature(np.array(scores), artifact.temperature)
    expected = [cell.probability for cell in cells or ()]
    assert len(expected) > 1
    assert calibrated[:, blast] == pytest.approx(expected, abs=1e-4)


def test_a_cold_start_is_compared_in_pairs(bundle: Path, field: Path) -> None:
    arguments = [str(bundle), str(field), "--backend", "tflite", "--runs", "1"]
    result = CliRunner().invoke(cold_start.main, arguments, catch_exceptions=False)
    row = json.loads(result.stdout)
    assert (row["bundle"], row["backend"]) == ("tiny-float32", "tflite")
    assert row["engine"].startswith("ai-edge-litert")
    assert row["time_ratio"] == pytest.approx(row["alledge_ms"] / row["bare_ms"], rel=0.02)


def test_a_steady_state_is_a_share_of_its_bound(bundle: Path, field: Path) -> None:
    arguments = ["--bundle", str(bundle), str(field), "--backend", "onnx", "--workers", "2"]
    result = CliRunner().invoke(steady_state.main, arguments, catch_exceptions=False)
    row = json.loads(result.stdout)
    assert row["images"] == 1
    assert row["engine"].startswith("onnxruntime")
    assert row["share_of_bound"] > 0
