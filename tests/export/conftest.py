"""A tiny run, and bundles really exported from it: dear, so once a session and cached."""

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from alledge.export.options import ExportOptions
from alledge.export.process import export_run
from alledge.runtime.bundle.bundle import Bundle
from alledge.train.runs.run_folder import Run, load_run

HERE = Path(__file__).resolve().parent
ROOMS = ("runtime", "train", "export", "tests/support")
Cache = Callable[[str, tuple[str, ...], Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def tiny_run(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of a tiny real network, two folds, with its data beside it."""

    def make(path: Path) -> None:
        spec = importlib.util.spec_from_file_location(
            "tiny_run", HERE.parent / "support" / "tiny_run.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.make(path)

    place = tmp_path_factory.mktemp("tiny") / "tiny"
    shutil.copytree(cache("tiny", ("runtime", "train", "tests/support"), make), place)
    record = place / "run" / "run.json"
    document = json.loads(record.read_text(encoding="utf-8"))
    document["data"]["root"] = str(place / "data")
    record.write_text(json.dumps(document), encoding="utf-8")
    return load_run(place / "run")


@pytest.fixture(scope="session")
def int8_bundle(cache: Cache, tiny_run: Run) -> Bundle:
    """The tiny run, exported as int8 in all three formats, gate and all."""
    return _exported(cache, tiny_run, "int8")


@pytest.fixture(scope="session")
def float32_bundle(cache: Cache, tiny_run: Run) -> Bundle:
    """The tiny run, exported as float32 in all three formats."""
    return _exported(cache, tiny_run, "float32")


def _exported(cache: Cache, run: Run, precision: str) -> Bundle:
    def make(path: Path) -> None:
        export_run(ExportOptions(run, precision, out=path / "bundle"))

    return Bundle.open(cache(f"export-{precision}", ROOMS, make) / "bundle")
