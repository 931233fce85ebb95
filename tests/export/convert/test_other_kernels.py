"""int8 on engines without XNNPACK, which round differently: the bundle holds their scores."""

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
    """The interpreter of an environment with tflite-runtime; `test_tflite_runtime.py` shares it."""
    return interpreter("tflite-runtime", "tflite-runtime", "numpy<2", "pillow", "click")


def test_the_bundle_holds_the_scores_with_and_without_xnnpack_and_their_difference(int8_bundle):
    parity = json.loads((int8_bundle.path / "parity.json").read_text(encoding="utf-8"))
    row = parity["formats"]["tflite"]["variants"]["without XNNPACK"]
    with np.load(int8_bundle.path / "reference" / "outputs.npz") as archive:
        difference = np.abs(archive["tflite"] - archive[row["outputs"]])[:, 1]
    assert row["max_dp"] == pytest.approx(difference.max(), abs=1e-6)
    assert row["mean_dp"] == pytest.approx(difference.mean(), abs=1e-6)
    assert not any(parity["formats"][name]["variants"] for name in ("onnx", "openvino"))
    card = (int8_bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "tflite without XNNPACK" in card


def test_tflite_runtime_gives_the_stored_scores_without_xnnpack(
    tflite_runtime, int8_bundle, tmp_path
):
    (tmp_path / "alledge").symlink_to(ROOT, target_is_directory=True)
    result = subprocess.run(
        [tflite_runtime, "-m", "alledge", "verify", int8_bundle.path, "--json"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
    )
    assert result.returncode == 0, result.stderr
    row = json.loads(result.stdout)["backends"]["tflite"]
    assert row["engine"].startswith("tflite-runtime 2.")
    assert row["status"] == "pass"
    assert row["here"]["kernels"] == "without XNNPACK"
    assert row["here"]["max_dp"] < 1e-4
