"""Exported artifacts in other tools, each in its own environment without alledge."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.environments import interpreter, missing_library, pinned

ALLOWED = {"int8": 0.02, "float32": 1e-3}  # as `verify` allows between engines
MEDIAPIPE = """
import json, sys
import mediapipe, numpy as np
from mediapipe.tasks.python import BaseOptions, vision
options = vision.ImageClassifierOptions(BaseOptions(model_asset_path=sys.argv[1]))
answers = []
with vision.ImageClassifier.create_from_options(options) as classifier:
    for image in np.load(sys.argv[2])["inputs"]:
        result = classifier.classify(
            mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(image))
        )
        categories = result.classifications[0].categories
        answers.append({row.category_name: row.score for row in categories})
print(json.dumps(answers))
"""
MODEL_API = """
import json, sys
import numpy as np
from model_api.adapters import OpenvinoAdapter, create_core
from model_api.models import Model
adapter = OpenvinoAdapter(
    create_core(), sys.argv[1], device="CPU", plugin_config={"INFERENCE_PRECISION_HINT": "f32"}
)
model, answers = Model.create_model(adapter), []
for image in np.load(sys.argv[2])["inputs"]:
    top = model(image).top_labels[0]
    answers.append({top.name: float(top.confidence)})
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def mediapipe():
    return interpreter("mediapipe", "mediapipe==1.2.3", pinned("numpy"))


@pytest.fixture(scope="module")
def model_api():
    if sys.version_info < (3, 11):
        pytest.skip("openvino-model-api 0.4.7 needs Python 3.11")
    pins = [pinned(package) for package in ("numpy", "openvino")]
    return interpreter("model-api", "openvino-model-api==0.4.7", *pins)


@pytest.fixture(params=["int8", "float32"])
def bundle(request, int8_bundle, float32_bundle):
    return {"int8": int8_bundle, "float32": float32_bundle}[request.param]


def answers_of(python: Path, script: str, bundle, file: str) -> list[dict[str, float]]:
    """Return the scores that a client gives every reference, by label."""
    result = subprocess.run(
        [python, "-c", script, bundle.path / file, bundle.path / "reference" / "inputs.npz"],
        capture_output=True,
        text=True,
        check=False,
    )
    if library := missing_library(result.stderr):
        pytest.skip(f"this machine has no {library}")
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout.splitlines()[-1])


def stored(bundle, name: str) -> np.ndarray:
    with np.load(bundle.path / "reference" / "outputs.npz") as archive:
        return archive[name]


def test_mediapipe_reads_the_labels_and_gives_the_stored_scores(mediapipe, bundle):
    answers = answers_of(mediapipe, MEDIAPIPE, bundle, "model.tflite")
    assert all(set(row) == set(bundle.labels) for row in answers)
    scores = np.array([[row[label] for label in bundle.labels] for row in answers])
    assert np.abs(scores - stored(bundle, "tflite")).max() <= ALLOWED[bundle.record["precision"]]


def test_model_api_reads_the_labels_and_gives_the_stored_scores(model_api, bundle):
    answers = answers_of(model_api, MODEL_API, bundle, "model.xml")
    expected = stored(bundle, "openvino")
    assert len(answers) == len(expected)
    for row, scores in zip(answers, expected, strict=True):
        ((label, confidence),) = row.items()
        place = bundle.labels.index(label)
        allowed = ALLOWED[bundle.record["precision"]]
        assert scores[place] == pytest.approx(confidence, abs=allowed)
        assert scores[place] >= scores.max() - allowed
