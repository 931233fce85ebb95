"""Bundles are opened, checked and found as the contract says."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.devices.pack.signing_keys import generate_keys
from alledge.errors import BundleError, TamperedError
from alledge.runtime.bundle import bundle as module
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.verify import verify_bundle
from alledge.runtime.digests import SMALL_BYTES, file_digest


def test_a_bundle_has_the_values_of_its_record(bundle: Path) -> None:
    opened = Bundle.open(bundle)
    assert opened.name == "tiny-float32"
    assert (opened.labels, opened.positive) == (("healthy", "blast"), ("blast",))
    assert sorted(opened.formats) == ["onnx", "openvino", "tflite"]
    assert opened.formats["onnx"].band == (0.45, 0.55)
    record = (bundle / "bundle.json").read_bytes()
    assert opened.digest == f"sha256:{hashlib.sha256(record).hexdigest()}"


def test_a_bundle_may_be_named_by_its_record(bundle: Path) -> None:
    assert Bundle.open(bundle / "bundle.json").path == bundle


def test_openvino_reads_two_files(bundle: Path) -> None:
    assert Bundle.open(bundle).formats["openvino"].files == ("model.xml", "model.bin")


def test_a_whole_bundle_passes_its_check(bundle: Path) -> None:
    Bundle.open(bundle).check()


@pytest.mark.parametrize("name", ["model.tflite", "model.bin", "parity.json"])
def test_a_changed_file_is_named_with_both_digests(own_bundle: Path, name: str) -> None:
    file = own_bundle / name
    wanted = file_digest(file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(TamperedError) as caught:
        Bundle.open(own_bundle).check()
    assert name in str(caught.value)
    assert wanted in str(caught.value)
    assert hashlib.sha256(content).hexdigest() in str(caught.value)


def test_an_incomplete_file_is_refused(own_bundle: Path) -> None:
    file = own_bundle / "model.onnx"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(TamperedError, match=r"model\.onnx"):
        Bundle.open(own_bundle).check(["model.onnx"])


FILES = (
    "model.tflite",
    "model.bin",
    "parity.json",
    "reference/inputs.npz",
    "reference/picture.jpg",
)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["a FIFO", "a device", "a folder", "a loop of links"])
def test_a_file_that_is_not_a_regular_file_is_refused_at_once(
    own_bundle: Path, name: str, kind: str
) -> None:
    file = own_bundle / name
    file.unlink()
    if kind == "a FIFO":
        os.mkfifo(file)
    elif kind == "a device":
        file.symlink_to("/dev/zero")
    elif kind == "a folder":
        file.mkdir()
    else:
        file.symlink_to(file)
    with pytest.raises(TamperedError, match=name):
        Bundle.open(own_bundle).check()
    with pytest.raises(TamperedError, match=name):
        verify_bundle(own_bundle)


def test_a_link_to_the_file_that_was_exported_is_that_file(
    own_bundle: Path, tmp_path: Path
) -> None:
    moved = (own_bundle / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    try:
        (own_bundle / "model.onnx").symlink_to(moved)
    except OSError:
        pytest.skip("this system allows no links")
    Bundle.open(own_bundle).check()


def test_a_file_that_became_far_too_large_is_not_read(
    own_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (own_bundle / "model.onnx").open("r+b") as stream:
        stream.truncate(module.FOREIGN_BYTES + 1)
    monkeypatch.setattr(module, "file_digest", lambda path: pytest.fail(f"{path} was read"))
    with pytest.raises(TamperedError, match=f"{module.FOREIGN_BYTES + 1} bytes instead of"):
        Bundle.open(own_bundle).check(["model.onnx"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("command", ["classify", "verify", "doctor"])
@pytest.mark.parametrize("name", ["bundle.json", "bundle.sig", "model.tflite"])
def test_no_command_waits_for_a_fifo(
    own_bundle: Path, tmp_path: Path, command: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "bundle.sig":
        keys = tmp_path / "keys"
        keys.mkdir()
        generate_keys(keys / "laboratory")
        monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(keys))
    (own_bundle / name).unlink(missing_ok=True)
    os.mkfifo(own_bundle / name)
    arguments = {"classify": ["x.png", "--bundle", own_bundle], "doctor": [own_bundle]}
    result = CliRunner().invoke(main, [command, *map(str, arguments.get(command, [own_bundle]))])
    assert result.exit_code == 1
    assert name in result.output


def test_a_missing_file_is_refused(own_bundle: Path) -> None:
    (own_bundle / "model.tflite").unlink()
    with pytest.raises(TamperedError, match=r"model\.tflite.*found nothing"):
        Bundle.open(own_bundle).check()


def test_a_file_without_a_hash_is_refused(bundle: Path) -> None:
    with pytest.raises(BundleError, match="names no hash"):
        Bundle.open(bundle).check(["other.bin"])


def test_a_folder_without_a_record_is_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a bundle"):
        Bundle.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "[" * 100_000, "{}", "\x00"])
def test_a_damaged_record_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "bundle.json").write_text(text, encoding="utf-8")
    with pytest.raises(BundleError):
        Bundle.open(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "other"},
        {"schema_version": 2},
        {"task": "cell"},
        {"labels": ["blast"]},
        {"labels": ["a", "a"]},
        {"positive": ["other"]},
        {"positive": ["healthy", "blast"]},
        {"formats": {"onnx": {}}},
        {"formats": {"onnx": {"file": "../model.onnx"}}},
        {"formats": {"onnx": {"file": "/etc/passwd"}}},
        {"formats": {"onnx": {"file": "C:model.onnx"}}},
        {"formats": {"onnx": {"file": "model.onnx", "temperature": 0}}},
        {"formats": {"onnx": {"file": "model.onnx", "threshold": 2}}},
        {"formats": {"onnx": {"file": "model.onnx", "band": [0.9, 0.1]}}},
        {"formats": {"onnx": {"file": "unhashed.onnx"}}},
        {"files": {"../x": "00" * 32}},
        {"files": {"model.onnx": "zz"}},
        {"image_path": {"size": 224, "colour": "reinhard"}},
        {"image_path": None},
    ],
)
def test_a_record_that_cannot_be_meant_is_refused(
    own_bundle: Path, bundles: ModuleType, changes: dict[str, Any]
) -> None:
    bundles.edit(own_bundle, **changes)
    with pytest.raises(BundleError):
        Bundle.open(own_bundle)


def test_a_record_without_one_of_its_keys_is_refused_without_a_traceback(own_bundle: Path) -> None:
    file = own_bundle / "bundle.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    for key in ("schema", "task", "labels", "positive", "image_path", "formats", "files", "name"):
        file.write_text(json.dumps({k: v for k, v in record.items() if k != key}), encoding="utf-8")
        with pytest.raises(BundleError):
            Bundle.open(own_bundle)


@pytest.mark.parametrize("size", [0, 1, SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 1])
def test_files_of_every_size_have_the_hash_of_hashlib(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    (tmp_path / "file").write_bytes(content)
    assert file_digest(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_tampered_files_are_refused_by_a_check_in_the_background(own_bundle: Path) -> None:
    (own_bundle / "model.tflite").write_bytes(b"another model")
    opened, done = Bundle.open(own_bundle), []
    with pytest.raises(TamperedError, match=r"model\.tflite"), opened.checking(["model.tflite"]):
        done.append("the work")
    assert done == ["the work"]


def test_a_check_that_was_started_before_is_used_once(
    own_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(Bundle, "check", lambda self, names: asked.append(names))
    opened = Bundle.open(own_bundle)
    opened.begin_check(["model.tflite"])
    with opened.checking(["model.tflite"]):
        pass
    assert len(asked) == 1
    with opened.checking(["model.tflite"]):
        pass
    assert len(asked) == 2


def test_tampered_files_are_refused_by_a_check_that_was_started_before(own_bundle: Path) -> None:
    (own_bundle / "model.tflite").write_bytes(b"another model")
    opened = Bundle.open(own_bundle)
    opened.begin_check(["model.tflite"])
    with pytest.raises(TamperedError, match=r"model\.tflite"), opened.checking(["model.tflite"]):
        pass


def test_files_are_large_by_all_of_their_bytes_together(own_bundle: Path) -> None:
    opened = Bundle.open(own_bundle)
    with (own_bundle / "model.tflite").open("wb") as stream:
        stream.truncate(SMALL_BYTES)
    assert not opened.is_large(["model.tflite"])
    assert opened.is_large(["model.tflite", "model.onnx"])
    assert not opened.is_large(["model.tflite", "missing"])


def test_a_bundle_is_opened_and_its_engine_chosen_without_numpy() -> None:
    code = (
        "import sys, alledge.runtime.backends, alledge.runtime.bundle.bundle\n"
        "sys.exit('numpy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_check_that_fails_to_run_does_not_pass(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Bundle, "check", fails)
    with pytest.raises(MemoryError), Bundle.open(bundle).checking(["model.tflite"]):
        pass
