"""Writing a bundle: whole or not at all, also after a killed export."""

import json
import os

import numpy as np
import pytest

from alledge.errors import UsageError
from alledge.export.bundle.writer import (
    clear_leftovers,
    new_bundle,
    put_aside,
    write_arrays,
    write_record,
)
from alledge.runtime.bundle.record_file import RECORD
from alledge.runtime.digests import file_digest


def write(out, force=False, content=b"model"):
    with new_bundle(out, force) as folder:
        (folder / "model.tflite").write_bytes(content)
        write_record(folder, {"name": "x"})


def test_a_bundle_names_the_hash_of_every_other_file(tmp_path):
    write(tmp_path / "b")
    record = json.loads((tmp_path / "b" / RECORD).read_text(encoding="utf-8"))
    assert record["files"] == {"model.tflite": file_digest(tmp_path / "b" / "model.tflite")}


def test_an_export_that_fails_leaves_nothing_behind(tmp_path):
    def fail():
        with new_bundle(tmp_path / "b", False) as folder:
            (folder / "model.tflite").write_bytes(b"half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_the_old_bundle_whole(tmp_path):
    write(tmp_path / "b", content=b"old")

    def fail():
        with new_bundle(tmp_path / "b", True):
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    assert (tmp_path / "b" / "model.tflite").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_folder_is_no_bundle_before_its_record_is_written(tmp_path):
    with new_bundle(tmp_path / "b", False) as folder:
        (folder / "model.tflite").write_bytes(b"half")
        assert not list(tmp_path.glob(f"*/{RECORD}"))
        assert not (tmp_path / "b").exists()
        write_record(folder, {})


def test_the_next_export_deletes_what_a_killed_one_left(tmp_path):
    leftover = tmp_path / ".b.999999999.part"
    leftover.mkdir()
    (leftover / "model.tflite").write_bytes(b"half")
    running = tmp_path / f".b.{os.getppid()}.part"
    running.mkdir()
    write(tmp_path / "b")
    assert not leftover.exists()
    assert running.exists()


def test_a_bundle_set_aside_comes_back_if_the_new_one_was_not_finished(tmp_path):
    write(tmp_path / "b[1]", content=b"old")
    (tmp_path / "b[1]").rename(tmp_path / ".b[1].999999999.old")
    clear_leftovers(tmp_path / "b[1]")
    assert (tmp_path / "b[1]" / "model.tflite").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["b[1]"]


def test_a_bundle_set_aside_is_deleted_if_the_new_one_was_finished(tmp_path):
    write(tmp_path / "b", content=b"new")
    (tmp_path / ".b.999999999.old").mkdir()
    (tmp_path / ".b.log.json.999999999.part").write_text("half", encoding="utf-8")
    (tmp_path / ".b.c.999999999.old").mkdir()  # of another bundle
    clear_leftovers(tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.c.999999999.old", "b"]


def test_a_bundle_is_replaced_only_with_force(tmp_path):
    write(tmp_path / "b", content=b"old")
    with pytest.raises(UsageError, match="exists already") as caught:
        write(tmp_path / "b")
    assert "--force" in str(caught.value.fix)
    write(tmp_path / "b", force=True, content=b"new")
    assert (tmp_path / "b" / "model.tflite").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years", encoding="utf-8")
    with pytest.raises(UsageError, match="not a bundle"):
        write(tmp_path / "thesis", force=True)
    assert (tmp_path / "thesis" / "chapter.txt").is_file()


def test_the_same_arrays_give_the_same_bytes(tmp_path):
    arrays = {"inputs": np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)}
    write_arrays(tmp_path / "a.npz", arrays)
    write_arrays(tmp_path / "b.npz", arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
        assert np.array_equal(read["inputs"], arrays["inputs"])


def test_refused_artifacts_are_kept_but_not_as_a_bundle(tmp_path):
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    (artifact / "model.tflite").write_bytes(b"bad")
    aside = put_aside(tmp_path / "b", {"tflite": artifact}, {"why.json": {"tflite": "lost blasts"}})
    assert aside == tmp_path / "b.rejected"
    assert (aside / "model.tflite.rejected").read_bytes() == b"bad"
    assert not list(aside.glob(RECORD))
    assert put_aside(tmp_path / "b", {}, {}) == aside
    assert list(aside.iterdir()) == []
