"""int8 on engines without XNNPACK: other rounding, recorded at the desk and known again."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from support.environments import interpreter

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def tflite_runtime():
    """The interpreter of the environment that `test_tflite_runtime.py` makes too."""
    return interpreter("tflite-runtime", "tflite-runtime", "numpy<2", "pillow", "click")


def test_both_roundings_are_in_the_bundle_and_how_far_they_are_apart(int8_bundle):
    parity = json.loads((int8_bundle.path / "parity.json").read_text(encoding="utf-8"))
    row = parity["formats"]["tflite"]["variants"]["without XNNPACK"]
    with np.load(int8_bundle.path / "reference" / "outputs.npz") as archive:
        apart = np.abs(archive["tflite"] - archive[row["outputs"]])[:, 1]
    assert row["max_dp"] == pytest.approx(apart.max(), abs=1e-6)
    assert row["mean_dp"] == pytest.approx(apart.mean(), abs=1e-6)
    assert not any(parity["formats"][form]["variants"] for form in ("onnx", "openvino"))
    card = (int8_bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "tflite without XNNPACK" in card


def test_tflite_runtime_answers_int8_as_the_desk_did_without_xnnpack(
    tflite_runtime, int8_bundle, tmp_path
):
    (tmp_path / "alledge").symlink_to(ROOT, target_is_directory=True)
    done = subprocess.run(
        [tflite_runtime, "-m", "alledge", "verify", int8_bundle.path, "--json"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)["backends"]["tflite"]
    assert row["engine"].startswith("tflite-runtime 2.")
    assert row["status"] == "pass"
    assert row["here"]["kernels"] == "without XNNPACK"
    assert row["here"]["max_dp"] < 1e-4
