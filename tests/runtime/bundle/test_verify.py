"""`verify` detects an artifact with other outputs here, and says which comparison failed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from alledge.errors import BundleError, MissingPackageError
from alledge.runtime.bundle import verify
from alledge.runtime.bundle.verify import verify_bundle, verify_text


def change_parity(folder: Path, bundles: ModuleType, name: str, **changes: Any) -> None:
    file = folder / "parity.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    document["formats"][name] |= changes
    file.write_text(json.dumps(document), encoding="utf-8")
    bundles.reseal(folder)


def change_outputs(folder: Path, bundles: ModuleType, name: str, shift: float) -> None:
    file = folder / "reference" / "outputs.npz"
    with np.load(file) as archive:
        arrays = dict(archive)
    p = np.clip(arrays[name][:, 1] + shift, 0, 1)
    arrays[name] = np.stack([1 - p, p], axis=1).astype(np.float32)
    np.savez(file, **arrays)
    bundles.store_answers(folder)


def test_an_artifact_with_other_outputs_here_fails(own_bundle: Path, bundles: ModuleType) -> None:
    change_outputs(own_bundle, bundles, "onnx", 0.02)
    document = verify_bundle(own_bundle)
    assert document["verdict"] == "fail"
    assert document["backends"]["onnx"]["status"] == "fail"
    assert document["backends"]["tflite"]["status"] == "pass"
    assert document["backends"]["onnx"]["here"]["max_dp"] == pytest.approx(0.02, abs=1e-3)


def test_a_cost_of_quantization_that_the_gate_refused_fails(
    own_bundle: Path, bundles: ModuleType
) -> None:
    change_parity(own_bundle, bundles, "tflite", verdict="fail", lost_positives=3)
    document = verify_bundle(own_bundle)
    assert document["verdict"] == "fail"
    assert document["backends"]["tflite"]["status"] == "pass"
    assert "3 lost positives: fail" in verify_text(document)


def test_outputs_of_other_kernels_of_the_engine_pass_and_the_kernels_are_named(
    own_bundle: Path, bundles: ModuleType
) -> None:
    file = own_bundle / "reference" / "outputs.npz"
    with np.load(file) as archive:
        np.savez(file, **archive, bare=archive["tflite"])
    change_outputs(own_bundle, bundles, "tflite", 0.02)
    assert verify_bundle(own_bundle)["verdict"] == "fail"
    variants = {"without XNNPACK": {"outputs": "bare", "max_dp": 0.02}}
    change_parity(own_bundle, bundles, "tflite", variants=variants)
    document = verify_bundle(own_bundle)
    assert document["verdict"] == "pass"
    here = document["backends"]["tflite"]["here"]
    assert here["kernels"] == "without XNNPACK"
    assert here["max_dp"] < 1e-5
    assert document["backends"]["onnx"]["here"]["kernels"] is None
    assert "here and on the desk, without XNNPACK: max" in verify_text(document)


def test_outputs_of_other_kernels_that_are_missing_are_one_clear_error(
    own_bundle: Path, bundles: ModuleType
) -> None:
    change_parity(own_bundle, bundles, "tflite", variants={"bare": {"outputs": "nowhere"}})
    with pytest.raises(BundleError, match="nowhere"):
        verify_bundle(own_bundle)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"figures": "cross-fitted", "gate": "passed"}, ", cross-fitted: max"),
        ({"figures": "gate", "gate": "passed"}, ", which chose the recipe too: max"),
        ({"gate": "not evaluated"}, "pass, gate not evaluated"),
    ],
)
def test_the_text_says_what_the_figures_of_the_desk_are(
    own_bundle: Path, bundles: ModuleType, changes: dict[str, str], text: str
) -> None:
    change_parity(own_bundle, bundles, "tflite", **changes)
    assert text in verify_text(verify_bundle(own_bundle))


def test_references_that_are_not_informative_are_no_pass(
    own_bundle: Path, bundles: ModuleType
) -> None:
    change_parity(own_bundle, bundles, "tflite", verdict="not informative")
    assert verify_bundle(own_bundle)["verdict"] == "not informative"


def test_a_format_whose_package_is_missing_is_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "installed_backends", lambda: ["onnx"])
    document = verify_bundle(bundle)
    assert document["verdict"] == "pass"
    assert document["backends"]["openvino"]["status"] == "not installed"
    assert "not installed" in verify_text(document)


def test_without_any_backend_the_error_names_an_extra(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "installed_backends", lambda: [])
    with pytest.raises(MissingPackageError, match="alledge"):
        verify_bundle(bundle)


def test_an_artifact_that_does_not_load_is_a_failure_of_that_backend(
    own_bundle: Path, bundles: ModuleType
) -> None:
    (own_bundle / "model.onnx").write_bytes(b"not a model")
    bundles.reseal(own_bundle)
    document = verify_bundle(own_bundle)
    row = document["backends"]["onnx"]
    assert (row["status"], row["here"]) == ("fail", None)
    assert "model.onnx" in row["error"]
    assert "model.onnx" in verify_text(document)
    assert document["backends"]["tflite"]["status"] == "pass"


@pytest.mark.parametrize("damage", ["missing", "not npz", "another shape", "no parity"])
def test_references_that_cannot_be_read_are_one_clear_error(
    own_bundle: Path, bundles: ModuleType, damage: str
) -> None:
    outputs = own_bundle / "reference" / "outputs.npz"
    if damage == "missing":
        shutil.rmtree(own_bundle / "reference")
    elif damage == "not npz":
        outputs.write_bytes(b"nothing")
    elif damage == "another shape":
        np.savez(outputs, float=np.zeros((3, 2), np.float32))
    else:
        (own_bundle / "parity.json").write_text("{}", encoding="utf-8")
    bundles.reseal(own_bundle)
    with pytest.raises(BundleError, match="references"):
        verify_bundle(own_bundle)
