"""The text of ``bundle.json``: strict JSON, a regular file, and its own checksum."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType

import pytest

from alledge.errors import BundleError, TamperedError, UntrustedError
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.finding import open_bundle
from alledge.runtime.bundle.record_file import MAX_BYTES, record_text
from alledge.runtime.bundle.signing import read_public_key


def test_the_checksum_covers_every_byte_of_the_record(own_bundle: Path) -> None:
    file = own_bundle / "bundle.json"
    content = file.read_bytes()
    for place in range(0, len(content), 101):
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        with pytest.raises(BundleError):
            Bundle.open(own_bundle)
    file.write_bytes(content)
    assert Bundle.open(own_bundle).name == "tiny-float32"


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ["blast", "healthy"]},
        {"positive": ["healthy"]},
        {"guards": None},
        {"name": "another"},
        {"seen": None},
        {"image_path": {"size": 224, "geometry": "crop", "draft": 448}},
        {"precision": "int8"},
    ],
)
def test_a_record_that_somebody_edited_is_refused(
    own_bundle: Path, bundles: ModuleType, changes: dict[str, object]
) -> None:
    changes.setdefault("metrics", {})  # so that every case changes something
    bundles.tamper(own_bundle, **changes)
    with pytest.raises(TamperedError, match="was changed after the export") as caught:
        Bundle.open(own_bundle)
    assert "copy the whole bundle again" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"), [("threshold", 0), ("temperature", 9), ("band", [0.5, 0.5])]
)
def test_a_decision_that_somebody_edited_is_refused(
    own_bundle: Path, bundles: ModuleType, key: str, value: object
) -> None:
    formats = bundles.read_record(own_bundle)["formats"]
    formats["onnx"][key] = value
    bundles.tamper(own_bundle, formats=formats)
    with pytest.raises(TamperedError):
        Bundle.open(own_bundle)


@pytest.mark.parametrize("key", ["checksum", "sizes"])
def test_a_bundle_of_before_says_to_export_again(
    own_bundle: Path, bundles: ModuleType, key: str
) -> None:
    record = bundles.read_record(own_bundle)
    del record[key]
    (own_bundle / "bundle.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(BundleError, match=f"{key} is missing") as caught:
        Bundle.open(own_bundle)
    assert caught.value.fix == "export the bundle again"


@pytest.mark.parametrize(
    ("start", "replacement"),
    [
        (b'"threshold": 0.5', b'"threshold": NaN'),
        (b'"threshold": 0.5', b'"threshold": 1e999'),
        (b'"threshold": 0.5', b'"threshold": 0.5, "threshold": 0.5'),
        (b'"threshold": 0.5', b'"threshold": ' + b"[" * 5000 + b"]" * 5000),
        (b'"threshold": 0.5', b'"threshold": ' + b"9" * 9000),
        (b'"name": "tiny', b'"name": "\xff'),
        (b'"name": "tiny', b'"name": "\\ud800'),
        (b"{", b"\xef\xbb\xbf{"),
    ],
)
def test_a_text_that_is_not_strict_json_is_refused(
    own_bundle: Path, start: bytes, replacement: bytes
) -> None:
    file = own_bundle / "bundle.json"
    file.write_bytes(file.read_bytes().replace(start, replacement, 1))
    with pytest.raises(BundleError, match=r"bundle\.json"):
        Bundle.open(own_bundle)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_another_encoding_is_refused(own_bundle: Path, encoding: str) -> None:
    file = own_bundle / "bundle.json"
    file.write_bytes(file.read_text(encoding="utf-8").encode(encoding))
    with pytest.raises(BundleError, match=r"bundle\.json"):
        Bundle.open(own_bundle)


def test_a_huge_record_is_not_read(own_bundle: Path) -> None:
    with (own_bundle / "bundle.json").open("r+b") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(BundleError, match="is too large"):
        Bundle.open(own_bundle)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_record_that_is_a_fifo_or_a_device_is_refused_at_once(own_bundle: Path) -> None:
    record = own_bundle / "bundle.json"
    record.unlink()
    os.mkfifo(record)
    with pytest.raises(BundleError, match="not a regular file"):
        Bundle.open(own_bundle)
    record.unlink()
    record.symlink_to("/dev/zero")
    with pytest.raises(BundleError, match="not a regular file"):
        Bundle.open(own_bundle)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_key_that_is_a_fifo_or_has_no_end_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.pub")
    (tmp_path / "zero.pub").symlink_to("/dev/zero")
    (tmp_path / "long.pub").write_bytes(b"ed25519 " + b"0" * 10_000)
    for name in ("fifo.pub", "zero.pub", "long.pub"):
        with pytest.raises(UntrustedError, match=name):
            read_public_key(tmp_path / name)


def test_the_same_record_gives_the_same_text() -> None:
    text = record_text({"name": "x"})
    assert text == record_text(json.loads(text))


def test_an_error_names_the_variable_that_the_path_comes_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALLEDGE_BUNDLE", str(tmp_path / "nowhere"))
    with pytest.raises(BundleError, match="the variable ALLEDGE_BUNDLE names it") as caught:
        open_bundle()
    assert "unset it" in str(caught.value)
    with pytest.raises(BundleError) as caught:
        open_bundle(tmp_path / "nowhere")
    assert "ALLEDGE_BUNDLE" not in str(caught.value)
