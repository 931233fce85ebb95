"""``alledge verify``: whether a bundle computes here what it computed on the desk.

"The desk" is the machine that exported the bundle. Two questions are answered separately. The same
artifact here and on the desk: the tolerance is tight, and faults of CPU, engine and operators show.
The artifact against the float model: the cost of quantization, measured on the desk.
"""

from __future__ import annotations

import json
import platform
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError, BundleError, MissingPackageError
from ..backends import BACKENDS, Backend, installed_backends, open_backend
from ..metrics.decisions import apply_temperature, assign_labels, positive_score
from .bundle import Bundle, Format

if TYPE_CHECKING:
    from ..types import BackendVerification, Distance, VerifyDocument

SCHEMA, SCHEMA_VERSION = "alledge/verify", 1
INPUTS, OUTPUTS, PARITY = "reference/inputs.npz", "reference/outputs.npz", "parity.json"
FLOAT = "float"  # the name of the float model's outputs
PARITY_KEYS = (
    "max_dp", "mean_dp", "agreement", "lost_positives", "to_review", "verdict", "measured_on",
    "images", "figures", "gate",
)  # fmt: skip
FIGURES = {"cross-fitted": ", cross-fitted", "gate": ", which chose the recipe too"}

Scores = NDArray[np.float32]


class _References(NamedTuple):
    """The reference images of a bundle and the scores that were stored for them."""

    inputs: NDArray[np.uint8]
    outputs: dict[str, Scores]
    parity: dict[str, Any]


def verify_bundle(path: str | Path, threads: int | None = None) -> VerifyDocument:
    """Check the files of a bundle, and run its reference images on every installed backend.

    Parameters
    ----------
    path : str or Path
    threads : int, optional
        As `load_backend`.

    Returns
    -------
    dict
        The document of ``alledge verify --json`` (schema ``verify``).

    Raises
    ------
    BundleError
        If the bundle or its references cannot be read.
    TamperedError
        If a file does not have the hash that the bundle names.
    MissingPackageError
        If no package for any of the bundle's formats is installed.

    Examples
    --------
    >>> document = verify_bundle("bundles/mobilenetv2-int8")  # doctest: +SKIP
    >>> document["verdict"], document["backends"]["onnx"]["status"]  # doctest: +SKIP
    ('pass', 'pass')
    """
    bundle = Bundle.open(path)
    bundle.check()
    references = _read_references(bundle)
    installed = [name for name in installed_backends() if name in bundle.formats]
    if not installed:
        spec = BACKENDS[next(iter(bundle.formats))]
        raise MissingPackageError(spec.packages[0][1], spec.extra, "verifying this bundle")
    backends = {
        name: _verify_backend(bundle, name, references, threads)
        if name in installed
        else _not_run("not installed", references.parity["formats"][name])
        for name in bundle.formats
    }
    statuses = {backend["status"] for backend in backends.values()}
    desk_verdicts = {backends[name]["float"]["verdict"] for name in installed}
    failed = "fail" in statuses or "fail" in desk_verdicts
    is_vague = "not informative" in desk_verdicts
    source = references.parity.get("reference", {}).get("source")
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "bundle": bundle.name,
        "digest": bundle.digest,
        "files": len(bundle.record["files"]),
        "references": {"images": len(references.inputs), "source": source},
        "machine": {"machine": platform.machine(), "system": platform.system()},
        "backends": backends,
        "verdict": "fail" if failed else "not informative" if is_vague else "pass",
    }


def _read_references(bundle: Bundle) -> _References:
    try:
        with np.load(bundle.path / INPUTS, allow_pickle=False) as archive:
            inputs = archive["inputs"]
        with np.load(bundle.path / OUTPUTS, allow_pickle=False) as archive:
            outputs = {name: archive[name] for name in archive.files}
        parity: dict[str, Any] = json.loads((bundle.path / PARITY).read_bytes())
        names = [FLOAT, *bundle.formats]
        for name in bundle.formats:
            desk = parity["formats"][name]
            float(desk["tolerance"]["here_max_dp"])
            names += _variants(desk).values()
        shape = (len(inputs), len(bundle.labels))
        for name in names:
            if outputs[name].shape != shape:
                raise ValueError(f"{name} has outputs of shape {outputs[name].shape}, not {shape}")
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"the references of {bundle.path} cannot be read: {type(error).__name__}: {error}",
            allowed=f"{INPUTS}, {OUTPUTS} and {PARITY}, as `alledge export` writes them",
            fix="export the bundle again",
        ) from None
    return _References(inputs, outputs, parity)


def _variants(desk: dict[str, Any]) -> dict[str, str]:
    """Return the names of the outputs that other kernels of the engine compute, by kernels."""
    return {kernels: str(row["outputs"]) for kernels, row in desk.get("variants", {}).items()}


def _verify_backend(
    bundle: Bundle, name: str, references: _References, threads: int | None
) -> BackendVerification:
    desk = references.parity["formats"][name]
    engine = None
    try:
        backend = open_backend(bundle, name, threads)
        engine = backend.engine
        scores = _run(backend, references.inputs)
    except BackendError as error:
        return {**_not_run("fail", desk), "engine": engine, "error": error.one_line}
    # The engine may use other kernels here than on the desk. The bundle has the outputs of both,
    # and the document names the kernels whose outputs are nearest.
    distances = {
        kernels: _distance(bundle, name, scores, references.outputs[outputs])
        for kernels, outputs in {"": name, **_variants(desk)}.items()
    }
    nearest = min(distances, key=lambda kernels: distances[kernels]["max_dp"])
    distance = distances[nearest]
    tolerance = float(desk["tolerance"]["here_max_dp"])
    return {
        "status": "pass" if distance["max_dp"] <= tolerance else "fail",
        "engine": engine,
        "here": {
            **distance,
            "tolerance": tolerance,
            "kernels": nearest or None,
            "from_float": _distance(bundle, name, scores, references.outputs[FLOAT]),
        },
        "float": _desk_figures(desk),
        "error": None,
    }


def _run(backend: Backend, inputs: NDArray[np.uint8]) -> Scores:
    try:
        return np.concatenate([backend.predict(image[np.newaxis]) for image in inputs])
    finally:
        backend.close()


def _distance(bundle: Bundle, name: str, scores: Scores, reference: Scores) -> Distance:
    """Return the distance of two sets of uncalibrated scores, with the definitions of parity.json.

    Scores that are not finite have the largest distance.
    """
    if not np.isfinite(scores).all():
        return {"max_dp": 1.0, "mean_dp": 1.0, "agreement": 0.0}
    labels, positive = bundle.labels, bundle.positive
    differences = np.abs(
        positive_score(scores, labels, positive) - positive_score(reference, labels, positive)
    )
    agree = _assign(scores, bundle, bundle.formats[name]) == _assign(
        reference, bundle, bundle.formats[name]
    )
    return {
        "max_dp": float(min(differences.max(), 1.0)),
        "mean_dp": float(min(differences.mean(), 1.0)),
        "agreement": float(agree.mean()),
    }


def _assign(scores: Scores, bundle: Bundle, artifact: Format) -> NDArray[np.int64]:
    calibrated = apply_temperature(scores, artifact.temperature)
    return assign_labels(calibrated, bundle.labels, bundle.positive, artifact.threshold)


def _not_run(status: Literal["fail", "not installed"], desk: dict[str, Any]) -> BackendVerification:
    return {
        "status": status,
        "engine": None,
        "here": None,
        "float": _desk_figures(desk),
        "error": None,
    }


def _desk_figures(desk: dict[str, Any]) -> dict[str, Any]:
    return {key: desk.get(key) for key in PARITY_KEYS}


def verify_text(document: VerifyDocument) -> str:
    """Return the document as text for a person."""
    references = document["references"]
    lines = [
        f"{document['bundle']}  {document['digest'][:19]}",
        f"files      {document['files']} checked, every SHA-256 as exported",
        f"references {references['images']} images ({references['source'] or 'stored'})",
    ]
    for name, backend in document["backends"].items():
        lines += ["", f"{name:10} {backend['status']}  {backend['engine'] or ''}".rstrip()]
        if backend["error"]:
            lines.append(f"  {backend['error']}")
        if here := backend["here"]:
            desk = f"desk, {here['kernels']}" if here["kernels"] else "desk"
            lines.append(
                f"  same artifact, here and on the {desk}: max |Δp| {here['max_dp']:.6f} "
                f"(allowed {here['tolerance']:g}), {here['agreement']:.1%} of the labels agree"
            )
        if backend["float"]["max_dp"] is not None:
            lines.append(_cost_line(backend["float"]))
    return "\n".join([*lines, "", f"verdict    {document['verdict']}"])


def _cost_line(desk: dict[str, Any]) -> str:
    verdict = desk["verdict"]
    if desk["gate"] == "not evaluated":
        verdict += ", gate not evaluated"
    return (
        f"  artifact and float model, on {desk['images']} {desk['measured_on']}"
        f"{FIGURES.get(desk['figures'], '')}: max |Δp| {desk['max_dp']:.4f}, "
        f"mean {desk['mean_dp']:.4f}, {desk['lost_positives']} lost positives: {verdict}"
    )
