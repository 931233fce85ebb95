"""Exports that really are killed: what they leave, and what the next one makes of it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from alledge.export.options import ExportOptions
from alledge.export.process import export_run
from alledge.runtime.bundle.bundle import RECORD, Bundle, find_bundle
from alledge.runtime.digests import file_digest

EXPORT = """
import sys
from pathlib import Path
from alledge.export.options import ExportOptions
from alledge.export.process import export_run
from alledge.train.runs.run_folder import load_run
order = ExportOptions(load_run(sys.argv[1]), "float32", ("tflite",), Path(sys.argv[2]), force=True)
export_run(order, lambda title: print(title, flush=True))
"""
BETWEEN_RENAMES = """
import os, signal, sys
from pathlib import Path
from alledge.export.bundle.writer import new_bundle, write_record
rename = Path.replace
def once(self, target):
    rename(self, target)
    if str(target).endswith(".old"):
        os.kill(os.getpid(), signal.SIGKILL)
Path.replace = once
with new_bundle(Path(sys.argv[1]), True) as folder:
    write_record(folder, {"name": "new"})
"""
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.fixture
def desk(float32_bundle, tmp_path, monkeypatch):
    """A folder with a bundle in it, and a place for temporary files of its own."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(float32_bundle.path, tmp_path / "bundles" / "b")
    return tmp_path


def begun(run, desk: Path, until: str) -> tuple[subprocess.Popen, list[psutil.Process]]:
    """Start an export over the bundle and return it in the middle of a step, with its children."""
    command = [sys.executable, "-c", EXPORT, run.path, desk / "bundles" / "b"]
    export = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ.copy()
    )
    for line in export.stdout:
        if line.strip() == until:
            break
    children: list[psutil.Process] = []
    while not children:
        children = psutil.Process(export.pid).children()
    return export, children


def work_folders(desk: Path) -> list[Path]:
    return list((desk / "temporary").glob("alledge-export-*"))


def test_a_killed_export_leaves_the_old_bundle_and_the_next_one_works(tiny_run, desk):
    place = desk / "bundles" / "b"
    before = file_digest(place / RECORD)
    export, children = begun(tiny_run, desk, "model: tflite float32")
    export.kill()
    assert export.wait() == -signal.SIGKILL
    for child in children:  # nothing can end with a process that is killed so
        child.kill()
    assert work_folders(desk)
    assert file_digest(place / RECORD) == before
    Bundle.open(place).check()
    assert find_bundle() == Path("bundles") / "b"
    assert "float graph" in (desk / "bundles" / "b.log.json").read_text(encoding="utf-8")
    export_run(ExportOptions(tiny_run, "float32", ("tflite",), place, force=True))
    Bundle.open(place).check()
    assert list(Bundle.open(place).formats) == ["tflite"]
    assert work_folders(desk) == []
    assert sorted(path.name for path in (desk / "bundles").iterdir()) == ["b", "b.log.json"]


def test_an_export_that_is_asked_to_end_ends_its_step_and_clears_its_work(tiny_run, desk):
    export, children = begun(tiny_run, desk, "model: float graph")
    assert work_folders(desk)
    export.terminate()
    assert export.wait() == 128 + signal.SIGTERM
    assert work_folders(desk) == []
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert gone
    assert alive == []


def test_killed_between_the_two_renames_the_old_bundle_comes_back(desk):
    place = desk / "bundles" / "b"
    before = file_digest(place / RECORD)
    done = subprocess.run([sys.executable, "-c", BETWEEN_RENAMES, place], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not place.exists()
    from alledge.export.bundle.writer import clear_leftovers

    clear_leftovers(place)
    assert file_digest(place / RECORD) == before
    assert [path.name for path in (desk / "bundles").iterdir()] == ["b"]
