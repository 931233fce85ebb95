"""What the benchmarks measure on: a bundle and a picture of the size that microscopes save.

`ALLEDGE_BENCH_BUNDLE` names a real bundle; without it the tiny network of the tests is taken,
which shows what alledge itself costs and nothing about a model.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from alledge.benchmarks.internal.baseline_comparison import MACHINE, NOISE
from alledge.benchmarks.machine_identity import describe
from alledge.benchmarks.measuring.machine_noise import between, look
from alledge.runtime.bundle.bundle import Bundle
from alledge.train.phantom.smears import draw_field

MAKERS = Path(__file__).resolve().parents[2] / "tests" / "support"
FIELD = (2592, 1944)  # pixels of a Canon PowerShot G5, ALL-IDB1's second camera


def maker(name: str) -> ModuleType:
    """Load a module that the tests of the runtime make their artifacts with."""
    spec = importlib.util.spec_from_file_location(name, MAKERS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Bundle:
    """The bundle that is measured."""
    named = os.environ.get("ALLEDGE_BENCH_BUNDLE")
    if named:
        return Bundle.open(named)
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, MAKERS / "tiny.py", folder / "artifacts"]
    subprocess.run(command, check=True, capture_output=True)
    maker("bundles").write_bundle(folder / "tiny-float32", folder / "artifacts")
    return Bundle.open(folder / "tiny-float32")


@pytest.fixture(scope="session")
def field(tmp_path_factory) -> Path:
    """A generated smear as a microscope's camera would save it."""
    path = tmp_path_factory.mktemp("field") / "field.jpg"
    image, _ = draw_field(0, 1, True)
    image.resize(FIELD).save(path, quality=90)
    return path


@pytest.fixture(autouse=True)
def _calibration(benchmark):
    """Note the calibration loop, and who else was at work: what `make bench-compare` goes by."""
    before = look()
    yield
    benchmark.extra_info[NOISE] = between(before, look())


def pytest_benchmark_update_json(config, benchmarks, output_json):
    """Say which machine it was, in the words of the results."""
    output_json[MACHINE] = describe()
