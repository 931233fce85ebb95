"""Times each step on the device: decoding, image loading, inference, end to end, cold start."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from alledge.runtime.backends import installed_backends, open_backend
from alledge.runtime.classifier import Classifier
from alledge.runtime.image_settings import ImageSettings
from alledge.runtime.imaging import load_rgb

BACKENDS = tuple(installed_backends())
COLD_STARTS = 3


@pytest.mark.benchmark(group="image")
def test_full_decode_with_pillow(benchmark, field):
    benchmark(lambda: Image.open(field).load())


@pytest.mark.benchmark(group="image")
def test_image_path(benchmark, field):
    pixels = benchmark(load_rgb, field, ImageSettings())
    assert pixels.shape == (224, 224, 3)


@pytest.mark.benchmark(group="inference")
@pytest.mark.parametrize("name", BACKENDS)
def test_inference(benchmark, bundle, field, name):
    batch = load_rgb(field)[np.newaxis]
    backend = open_backend(bundle, name, threads=1)
    try:
        scores = benchmark(backend.predict, batch)
    finally:
        backend.close()
    assert scores.shape == (1, len(bundle.labels))


@pytest.mark.benchmark(group="end to end")
@pytest.mark.parametrize("name", BACKENDS)
def test_classify_one_field(benchmark, bundle, field, name):
    with Classifier.load(bundle.path, name, 1) as classifier:
        assert benchmark(classifier.classify, field).status != "error"


@pytest.mark.benchmark(group="cold start")
@pytest.mark.parametrize("name", BACKENDS)
def test_cold_start(benchmark, bundle, field, name):
    command = [sys.executable, "-m", "alledge", "classify", field, "--bundle", bundle.path]
    command += ["--backend", name, "--json"]
    benchmark.pedantic(
        subprocess.run,
        (command,),
        {"check": True, "capture_output": True},
        rounds=COLD_STARTS,
        warmup_rounds=1,
    )
