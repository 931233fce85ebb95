"""Exports that are killed: what they leave behind, and how the next export cleans up."""

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
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.finding import find_bundle
from alledge.runtime.bundle.record_file import RECORD
from alledge.runtime.digests import file_digest

EXPORT = """
import sys
from pathlib import Path
from alledge.export.options import ExportOptions
from alledge.export.process import export_run
from alledge.train.runs.run_folder import load_run
run, out = load_run(sys.argv[1]), Path(sys.argv[2])
options = ExportOptions(run, "float32", ("tflite",), out, force=True)
export_run(options, lambda title: print(title, flush=True))
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
def workspace(float32_bundle, tmp_path, monkeypatch):
    """A folder with a bundle in it, and with its own folder for temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("ALLEDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(float32_bundle.path, tmp_path / "bundles" / "b")
    return tmp_path


def start_export(run, workspace: Path, until: str) -> tuple[subprocess.Popen, list[psutil.Process]]:
    """Start an export that replaces the bundle; return it and its children during a step."""
    command = [sys.executable, "-c", EXPORT, run.path, workspace / "bundles" / "b"]
    export = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ.copy()
    )
    for line in export.stdout:
        if line.strip() == until:
            break
    children: list[psutil.Process] = []
    while not children:
        assert export.poll() is None, "the export ended before it was killed"
        children = psutil.Process(export.pid).children()
    return export, children


def work_folders(workspace: Path) -> list[Path]:
    return list((workspace / "temporary").glob("alledge-export-*"))


def test_a_killed_export_leaves_the_old_bundle_and_the_next_one_works(tiny_run, workspace):
    out = workspace / "bundles" / "b"
    before = file_digest(out / RECORD)
    export, children = start_export(tiny_run, workspace, "model: tflite float32")
    export.kill()
    assert export.wait() == -signal.SIGKILL
    assert psutil.wait_procs(children, timeout=30)[1] == []
    assert work_folders(workspace)
    assert file_digest(out / RECORD) == before
    Bundle.open(out).check()
    assert find_bundle() == Path("bundles") / "b"
    assert "float graph" in (workspace / "bundles" / "b.log.json").read_text(encoding="utf-8")
    outcome = export_run(ExportOptions(tiny_run, "float32", ("tflite",), out, force=True))
    assert outcome.log[0]["step"] == "model: float graph"
    assert outcome.log[0]["cached"]  # what was finished before the kill is not done again
    Bundle.open(out).check()
    assert list(Bundle.open(out).formats) == ["tflite"]
    assert work_folders(workspace) == []
    assert sorted(path.name for path in (workspace / "bundles").iterdir()) == ["b", "b.log.json"]


def test_a_terminated_export_ends_its_step_and_deletes_its_work_folder(tiny_run, workspace):
    export, children = start_export(tiny_run, workspace, "model: float graph")
    assert work_folders(workspace)
    export.terminate()
    assert export.wait() == 128 + signal.SIGTERM
    assert work_folders(workspace) == []
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert gone
    assert alive == []


def test_the_old_bundle_comes_back_if_an_export_is_killed_between_its_two_renames(workspace):
    out = workspace / "bundles" / "b"
    before = file_digest(out / RECORD)
    result = subprocess.run([sys.executable, "-c", BETWEEN_RENAMES, out], check=False)
    assert result.returncode == -signal.SIGKILL
    assert not out.exists()
    from alledge.export.bundle.writer import clear_leftovers

    clear_leftovers(out)
    assert file_digest(out / RECORD) == before
    assert [path.name for path in (workspace / "bundles").iterdir()] == ["b"]
