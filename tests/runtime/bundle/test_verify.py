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
from alledge.runtime.guards.fitting import fit_guards
from alledge.runtime.guards.image_statistics import image_statistics


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
    assert verify_text(document).endswith("pass; not run, since not installed: tflite, openvino")


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


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ["blast", "healthy"]},
        {"positive": ["healthy"]},
        {"threshold": 0},
        {"threshold": 1},
        {"temperature": 2.0},
        {"band": [0.0, 1.0]},
        {"band": [0.5, 0.5]},
        {"guards": "removed"},
        {"image_path": {"size": 224, "geometry": "crop", "draft": 448}},
        {"image_path": {"size": 224, "geometry": "squash", "draft": 1}},
    ],
)
def test_a_record_that_gives_other_answers_fails_even_with_a_right_checksum(
    guarded_bundle: Path, bundles: ModuleType, changes: dict[str, Any]
) -> None:
    assert verify_bundle(guarded_bundle)["verdict"] == "pass"
    record = bundles.read_record(guarded_bundle)
    for key, value in changes.items():
        if key in record:
            record[key] = None if value == "removed" else value
        else:
            for row in record["formats"].values():
                row[key] = value
    bundles.write_record(guarded_bundle, record)
    document = verify_bundle(guarded_bundle)
    assert document["verdict"] == "fail"
    assert "fail" in (document["answers"]["status"], document["picture"]["status"])
    assert "fail: " in verify_text(document)


@pytest.fixture
def guarded_bundle(own_bundle: Path, bundles: ModuleType) -> Path:
    """A bundle with guards that flag some of its references, and outputs inside its band."""
    file = own_bundle / "reference" / "outputs.npz"
    with np.load(file) as archive:
        arrays = dict(archive)
    guards = fit_guards([image_statistics(field) for field in blurred_fields()])
    bundles.edit(own_bundle, guards=guards)
    for name in ("tflite", "onnx", "openvino"):  # one image in the band
        formats = bundles.read_record(own_bundle)["formats"]
        p = float(arrays[name][0, 1])
        formats[name]["band"] = [max(p - 0.01, 0.0), min(p + 0.01, 1.0)]
        bundles.edit(own_bundle, formats=formats)
    return Path(bundles.store_answers(own_bundle))


def blurred_fields() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    small = rng.integers(90, 220, (16, 14, 14, 3), dtype=np.uint8)
    return list(small.repeat(16, axis=1).repeat(16, axis=2))


def test_the_text_says_what_only_a_signature_can_show(bundle: Path) -> None:
    document = verify_bundle(bundle)
    assert document["signed_by"] is None
    assert "only a signature shows who made it" in verify_text(document)


def test_a_picture_that_another_decoder_reads_otherwise_fails(
    own_bundle: Path, bundles: ModuleType
) -> None:
    file = own_bundle / "reference" / "inputs.npz"
    with np.load(file) as archive:
        arrays = dict(archive)
    arrays["picture"] = arrays["picture"][:, :, ::-1].copy()
    np.savez(file, **arrays)
    bundles.reseal(own_bundle)
    document = verify_bundle(own_bundle)
    assert document["picture"]["status"] == document["verdict"] == "fail"


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
