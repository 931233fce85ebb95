"""Damaged references with right hashes (an exporter's fault) are one error that names the file."""

from __future__ import annotations

import copy
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from alledge.errors import BundleError
from alledge.runtime.bundle import verify
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.npz import read_arrays
from alledge.runtime.bundle.references import read_references
from alledge.runtime.bundle.verify import replay_answers, verify_bundle, verify_text

EVERY = 1 if os.environ.get("ALLEDGE_FUZZ") == "full" else 7
VALUES: tuple[Any, ...] = (None, True, -1, 0.5, 1e308, 2**70, "", "x", [], [None], {}, {"x": 1})


def header(shape: str, descr: str = "'|u1'", version: bytes = b"\x01\x00") -> bytes:
    """Return the start of an ``.npy`` file."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode("latin-1")
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text


def archive(path: Path, content: bytes, name: str = "inputs.npy", compression: int = 0) -> None:
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr(name, content)


def encrypted(path: Path) -> None:
    archive(path, header("(2,)") + b"ab")
    content = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + place] |= 1
    path.write_bytes(content)


def pickled(path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    archive(path, buffer.getvalue())


DAMAGED: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_bytes(b"nothing"),
    "an empty archive": lambda path: zipfile.ZipFile(path, "w").close(),
    "an empty member": lambda path: archive(path, b""),
    "150 PB": lambda path: archive(path, header("(150000000000000000,)")),
    "other shape": lambda path: archive(path, header("(3,)") + b"abc"),
    "negative shape": lambda path: archive(path, header("(-2,)") + b"ab"),
    "no shape": lambda path: archive(path, header("'x'") + b"ab"),
    "float": lambda path: archive(path, header("(2,)", "'<f8'") + bytes(16)),
    "unknown type": lambda path: archive(path, header("(2,)", "'<q9'") + bytes(16)),
    "version 9": lambda path: archive(path, header("(2,)", version=b"\x09\x00") + b"ab"),
    "header cut": lambda path: archive(path, header("(2,)")[:20]),
    "header is no literal": lambda path: archive(path, header("(2,", "'|u1") + b"ab"),
    "values cut": lambda path: archive(path, header("(2,)") + b"a"),
    "more values": lambda path: archive(path, header("(2,)") + bytes(1 << 20)),
    "a bomb": lambda path: archive(
        path, header("(2,)") + bytes(1 << 24), compression=zipfile.ZIP_DEFLATED
    ),
    "lzma": lambda path: archive(path, header("(2,)") + b"ab", compression=zipfile.ZIP_LZMA),
    "other name": lambda path: archive(path, header("(2,)") + b"ab", name="other.npy"),
    "encrypted": encrypted,
    "pickled": pickled,
    "a folder": lambda path: path.mkdir(),
    "missing": lambda path: None,
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_archive_is_one_error_that_names_it(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "inputs.npz"
    DAMAGED[damage](file)
    with pytest.raises(BundleError, match=r"inputs\.npz"):
        read_arrays(file, {"inputs": (2,)}, np.uint8)


def test_a_whole_archive_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", inputs=np.arange(6, dtype=np.uint8).reshape(2, 3))
    arrays = read_arrays(tmp_path / "x.npz", {"inputs": (2, 3)}, np.uint8)
    assert arrays["inputs"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_every_cut_of_an_archive_is_one_error(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    np.savez_compressed(file, inputs=np.arange(200, dtype=np.uint8))
    content = file.read_bytes()
    for length in range(0, len(content), 7):
        file.write_bytes(content[:length])
        with pytest.raises(BundleError, match=r"x\.npz"):
            read_arrays(file, {"inputs": (200,)}, np.uint8)


def test_arrays_that_would_need_more_memory_than_allowed_are_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", inputs=np.zeros(2, np.uint8))
    with pytest.raises(BundleError, match="would need"):
        read_arrays(tmp_path / "x.npz", {"inputs": (1 << 31,)}, np.uint8)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_an_archive_that_is_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npz")
    with pytest.raises(BundleError, match="not a regular file"):
        read_arrays(tmp_path / "x.npz", {"inputs": (2,)}, np.uint8)


def keys(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value; of a list, only that of the last item."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, item in value.items():
            yield from keys(item, (*path, name))
    elif isinstance(value, list) and value:
        yield from keys(value[-1], (*path, len(value) - 1))


def test_every_changed_parity_is_one_error_or_a_document(
    own_bundle: Path, bundles: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "installed_backends", lambda: ["onnx"])
    file = own_bundle / "parity.json"
    parity = json.loads(file.read_text(encoding="utf-8"))
    paths = [path for path in keys(parity) if "openvino" not in path and "tflite" not in path]
    changes = [(path, value) for path in paths for value in VALUES]
    refused = 0
    for path, value in changes[::EVERY]:
        document = copy.deepcopy(parity)
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        file.write_text(json.dumps(document), encoding="utf-8")
        bundles.reseal(own_bundle)
        try:
            document = verify_bundle(own_bundle)
        except BundleError as error:
            refused += f"{file}: " in str(error) or "outputs.npz" in str(error)
        else:
            assert verify_text(document)
            assert json.dumps(document, allow_nan=False)
    print(f"{len(changes[::EVERY])} changes, {refused} refused")
    assert refused > len(changes[::EVERY]) // 2


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 9999, '{"schema": NaN}', "{}"])
def test_a_parity_that_is_no_document_is_one_error(own_bundle: Path, text: str) -> None:
    (own_bundle / "parity.json").write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match=r"parity\.json"):
        read_references(Bundle.open(own_bundle))


def test_answers_that_the_record_does_not_give_are_named(
    own_bundle: Path, bundles: ModuleType
) -> None:
    references = read_references(Bundle.open(own_bundle))
    assert replay_answers(Bundle.open(own_bundle), references)["status"] == "pass"
    bundles.edit(own_bundle, labels=["blast", "healthy"])
    replay = replay_answers(Bundle.open(own_bundle), references)
    assert replay["status"] == "fail"
    assert any("onnx: labels: 8 of 8 differ" in line for line in replay["differences"])


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_outputs_of_the_float_model_that_are_not_finite_are_refused(
    own_bundle: Path, bundles: ModuleType, value: float
) -> None:
    file = own_bundle / "reference" / "outputs.npz"
    with np.load(file) as archive:
        outputs = {name: archive[name] for name in archive.files}
    outputs["float"][0, 0] = value
    np.savez(file, allow_pickle=False, **outputs)
    bundles.reseal(own_bundle)
    with pytest.raises(BundleError, match=r"outputs\.npz: .* is not finite"):
        verify_bundle(own_bundle)
