"""Fixtures of the suite: a bundle, and an image of the size that microscope cameras save.

`ALLEDGE_BENCH_BUNDLE` names a real bundle. Without it the suite uses the tiny network of the tests,
which shows the overhead of alledge and nothing about a model.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alledge.benchmarks.internal.baseline_comparison import MACHINE, NOISE
from alledge.benchmarks.machine_identity import describe_this_machine
from alledge.benchmarks.measuring.machine_noise import noise_between, read_machine_state
from alledge.runtime.bundle.bundle import Bundle
from alledge.train.phantom.smears import draw_field
from support.bundles import write_bundle

TINY_NETWORK = Path(__file__).resolve().parents[2] / "tests" / "support" / "tiny.py"
FIELD_PX = (2592, 1944)  # Canon PowerShot G5, the camera of most of ALL-IDB1


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Bundle:
    """The bundle that is measured."""
    named = os.environ.get("ALLEDGE_BENCH_BUNDLE")
    if named:
        return Bundle.open(named)
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, TINY_NETWORK, folder / "artifacts"]
    subprocess.run(command, check=True, capture_output=True)
    write_bundle(folder / "tiny-float32", folder / "artifacts")
    return Bundle.open(folder / "tiny-float32")


@pytest.fixture(scope="session")
def field(tmp_path_factory) -> Path:
    """A generated smear, saved as a microscope camera saves it."""
    path = tmp_path_factory.mktemp("field") / "field.jpg"
    image, _ = draw_field(0, 1, True)
    image.resize(FIELD_PX).save(path, quality=90)
    return path


@pytest.fixture(autouse=True)
def _record_noise(benchmark):
    """Store the noise during each benchmark. `make bench-compare` needs it."""
    before = read_machine_state()
    yield
    benchmark.extra_info[NOISE] = noise_between(before, read_machine_state())


def pytest_benchmark_update_json(config, benchmarks, output_json):
    """Store the description of the machine."""
    output_json[MACHINE] = describe_this_machine()
