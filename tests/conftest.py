"""Shared fixtures: generated images, tiny networks, a finished run and bundles exported from it.

What takes seconds to build is built once and kept under ``.cache/``; see `support.build_cache`.
"""

import os

# Test processes run side by side: a thread pool in each would wait for the others' cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is loaded

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.data.datasets import Dataset, read_dataset
from alledge.train.runs.run_folder import Run, load_run
from support import tiny_cell_run as tiny_cell_run_maker
from support import tiny_run as tiny_run_maker
from support.build_cache import SUPPORT, cached
from support.bundles import write_bundle, write_cell_bundle
from support.worker_server import WorkerServer

SMEARS = 16  # images of the generated data set
TINY_RUN = ("tests/support/tiny_run.py",)
TINY_CELL_RUN = ("tests/support/tiny_cell_run.py",)
EXPORT = (*TINY_RUN, "export/process.py", "export/convert/worker.py")
CELL_EXPORT = (*TINY_CELL_RUN, "export/process.py", "export/convert/worker.py")


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's cache and default bundle out of the tests, and the tests out of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ALLEDGE_BUNDLE", raising=False)
        patch.setenv("ALLEDGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("ALLEDGE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("ALLEDGE_TOKEN", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _default_interrupt() -> None:
    """Let children end at Ctrl-C, also if the tests run in the background, where it is ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _warm_export_steps() -> Iterator[None]:
    """Run the steps of exports in forks of one process that has loaded tensorflow already."""
    with WorkerServer() as server, pytest.MonkeyPatch.context() as patch:
        if sys.platform == "linux":  # elsewhere a process with threads cannot be forked safely
            pool = "alledge.export.convert.worker_pool.WorkerPool"
            patch.setattr(f"{pool}.run", lambda _, *step: server.run_worker(*step))
        yield


@pytest.fixture(scope="session")
def smears() -> Dataset:
    """A generated data set in ALL-IDB1's layout; tests only read it."""
    from alledge.train.phantom.smears import generate

    return read_dataset(
        cached(
            "smears",
            ("train/phantom/smears.py",),
            lambda path: generate(path, images=SMEARS, size=256),
        )
    )


@pytest.fixture(scope="session")
def finished_run(smears: Dataset) -> Run:
    """MobileNetV2 with the gap head, trained from random weights: two folds, two epochs."""

    def build(path: Path) -> None:
        from alledge.train.fitting.recipe import recipe_for
        from alledge.train.runs.session import TrainOptions, train

        recipe = recipe_for("none", epochs=2, batch_size=8, lr=None)
        options = TrainOptions(
            "mobilenetv2", smears.root, recipe, weights="none", folds=2, out=path
        )
        train(options, quiet=True)

    return load_run(cached("run", ("train/runs/session.py", "train/phantom/smears.py"), build))


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """The folder of the tiny network of `support.tiny` in the three formats; only read."""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

    def build(path: Path) -> None:
        command = [sys.executable, SUPPORT / "tiny.py", path]
        subprocess.run(command, check=True, env=quiet, capture_output=True)

    return cached("artifacts", ("tests/support/tiny.py",), build)


@pytest.fixture(scope="session")
def bundle(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete bundle of the tiny network; tests only read it."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "tiny-float32", artifacts)


@pytest.fixture(scope="session")
def cell_bundle(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle whose tiny network judges cells; tests only read it."""
    folder = tmp_path_factory.mktemp("bundles") / "tiny-cell-float32"
    return write_cell_bundle(folder, artifacts)


@pytest.fixture
def own_cell_bundle(cell_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the cell bundle that a test may change."""
    return Path(shutil.copytree(cell_bundle, tmp_path / "bundles" / "tiny-cell-float32"))


@pytest.fixture
def own_bundle(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    return Path(shutil.copytree(bundle, tmp_path / "bundles" / "tiny-float32"))


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of a small trained network with two folds, and its data set beside it."""
    folder = tmp_path_factory.mktemp("tiny") / "tiny"
    shutil.copytree(cached("tiny", TINY_RUN, tiny_run_maker.make), folder)
    record = folder / "run" / "run.json"
    document = json.loads(record.read_text(encoding="utf-8"))
    document["data"]["root"] = str(folder / "data")
    record.write_text(json.dumps(document), encoding="utf-8")
    return load_run(folder / "run")


@pytest.fixture(scope="session")
def tiny_cell_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished cell run of a small trained network with two folds, and its data set beside it."""
    folder = tmp_path_factory.mktemp("tiny-cell") / "tiny"
    shutil.copytree(cached("tiny-cell", TINY_CELL_RUN, tiny_cell_run_maker.make), folder)
    record = folder / "run" / "run.json"
    document = json.loads(record.read_text(encoding="utf-8"))
    for source in (document["data"], *document["sources"]):
        source["root"] = str(folder / "data")
    record.write_text(json.dumps(document), encoding="utf-8")
    return load_run(folder / "run")


@pytest.fixture(scope="session")
def int8_cell_bundle(tiny_cell_run: Run) -> Bundle:
    """The small cell run exported as int8 for TFLite and ONNX, with the accuracy gate."""

    def build(path: Path) -> None:
        from alledge.export.options import ExportOptions
        from alledge.export.process import export_run

        formats = ("tflite", "onnx")
        export_run(ExportOptions(tiny_cell_run, "int8", formats, out=path / "bundle"))

    return Bundle.open(cached("export-cell-int8", CELL_EXPORT, build) / "bundle")


@pytest.fixture(scope="session")
def int8_bundle(tiny_run: Run) -> Bundle:
    """The small run exported as int8 in all three formats, with the accuracy gate."""
    return _exported(tiny_run, "int8")


@pytest.fixture(scope="session")
def float32_bundle(tiny_run: Run) -> Bundle:
    """The small run exported as float32 in all three formats."""
    return _exported(tiny_run, "float32")


def _exported(run: Run, precision: str) -> Bundle:
    def build(path: Path) -> None:
        from alledge.export.options import ExportOptions
        from alledge.export.process import export_run

        export_run(ExportOptions(run, precision, out=path / "bundle"))

    return Bundle.open(cached(f"export-{precision}", EXPORT, build) / "bundle")
