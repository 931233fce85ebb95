"""``alledge archive --ray``: the same rows as without, and what happens when a worker ends."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from alledge.runtime.archive.on_ray.pool import ATTEMPTS, SINGLE_ATTEMPTS, Block, Worker
from alledge.runtime.archive.on_ray.worker import pack, unpack
from alledge.runtime.archive.sources.entries import Entry
from support.archives import archive, rows, write_fields

FIELDS = 120


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the processes of a run's Ray workers."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "ray::FieldWorker.classify" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            pass
    return found


def test_a_killed_worker_is_replaced_and_each_field_has_one_row(
    tmp_path: Path, bundle: Path
) -> None:
    pytest.importorskip("ray")
    fields = tmp_path / "fields"
    write_fields(fields, FIELDS)
    (fields / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    words = [fields, "--out", tmp_path / "out", "--bundle", bundle]
    command = [sys.executable, "-m", "alledge", "archive", *map(str, words)]
    process = subprocess.Popen(
        [*command, "--ray", "local", "--threads", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    while process.poll() is None:
        if found := workers_of(process):
            found[0].kill()
            break
        time.sleep(0.01)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert f"{FIELDS + 1} fields written, 1 of them errors" in out
    assert "a worker has ended, its fields go to another" in err
    on_ray = rows(tmp_path / "out")
    assert len({row["path"] for row in on_ray}) == len(on_ray) == FIELDS + 1
    archive(fields, "--out", tmp_path / "embedded", "--bundle", bundle)
    changing = ("ms", "classified", "engine", "key", "error", "model")
    for left, right in zip(on_ray, rows(tmp_path / "embedded"), strict=True):
        assert {k: v for k, v in left.items() if k not in changing} == {
            k: v for k, v in right.items() if k not in changing
        }


def test_a_cluster_that_is_not_there_is_one_error(tmp_path: Path, bundle: Path) -> None:
    pytest.importorskip("ray")
    write_fields(tmp_path / "fields", 1)
    words = (tmp_path / "fields", "--out", tmp_path / "out", "--bundle", bundle)
    result = archive(*words, "--ray", "auto")
    assert result.exit_code == 2
    assert "there is no Ray cluster at 'auto'" in result.stderr
    assert "ray start --head" in result.stderr


def test_a_field_that_ends_its_workers_is_given_up_and_its_neighbours_are_not() -> None:
    block = Block([Entry(name) for name in "abc"])
    for _ in range(ATTEMPTS - 1):
        assert block.again() == [block]
    singles = block.again()
    assert ["".join(entry.path for entry in row.entries) for row in singles] == ["a", "b", "c"]
    while not singles[0].is_given_up:
        singles[0].again()
    assert singles[0].attempts == SINGLE_ATTEMPTS
    assert not singles[1].is_given_up


def test_a_block_that_may_have_ended_a_worker_is_sent_alone() -> None:
    suspect, other = Block([Entry("a")], 1), Block([Entry("b")])
    worker = Worker(None, is_ready=True, blocks=[other])
    assert worker.takes(other)
    assert not worker.takes(suspect)
    assert not Worker(None, is_ready=True, blocks=[suspect]).takes(other)
    assert not Worker(None).takes(other)


def test_a_bundle_travels_unchanged(tmp_path: Path, bundle: Path) -> None:
    unpack(pack(bundle), tmp_path / "copy")
    names = sorted(path.relative_to(bundle) for path in bundle.rglob("*") if path.is_file())
    assert all((tmp_path / "copy" / n).read_bytes() == (bundle / n).read_bytes() for n in names)
