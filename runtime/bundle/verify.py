"""``alledge verify``: does a bundle compute here what it computed on the desk? No tensorflow.

Two questions, kept apart: the same artifact here and there (tight: it finds faults of CPU, engine
and opcodes), and the artifact against the float model (what quantization cost, from the desk).
"""

from __future__ import annotations

import json
import platform
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError, BundleError, MissingPackageError
from ..backends import BACKENDS, Backend, installed_backends, open_backend
from ..metrics.decisions import apply_temperature, assign_labels, positive_score
from .bundle import Bundle

SCHEMA, SCHEMA_VERSION = "alledge/verify", 1
INPUTS, OUTPUTS, PARITY = "reference/inputs.npz", "reference/outputs.npz", "parity.json"

Scores = NDArray[np.float32]
Json = dict[str, Any]


def verify_bundle(path: str | Path, threads: int | None = None) -> Json:
    """Check a bundle's files, then replay its references on every backend installed.

    Parameters
    ----------
    path : str or Path
    threads : int, optional

    Returns
    -------
    dict
        The document of `alledge verify --json` (schema ``verify``).

    Raises
    ------
    BundleError
        If the bundle or its references cannot be read.
    TamperedError
        If any file of it is not the one that was exported.
    MissingPackageError
        If no backend is installed that the bundle has an artifact for.
    """
    bundle = Bundle.open(path)
    bundle.check()
    inputs, stored, parity = _references(bundle)
    here = [name for name in installed_backends() if name in bundle.formats]
    if not here:
        row = BACKENDS[next(iter(bundle.formats))]
        raise MissingPackageError(row.packages[0][1], row.extra, "verifying this bundle")
    backends: dict[str, Json] = {}
    for name in bundle.formats:
        desk = parity["formats"][name]
        if name not in here:
            backends[name] = _row("not installed", None, None, desk, None)
            continue
        backends[name] = _replay(bundle, name, inputs, stored, desk, threads)
    statuses = {row["status"] for row in backends.values()}
    desk_says = {backends[name]["float"]["verdict"] for name in here}
    failed = "fail" in statuses or "fail" in desk_says
    vague = "not informative" in desk_says
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "bundle": bundle.name,
        "digest": bundle.digest,
        "files": len(bundle.record["files"]),
        "references": {"images": len(inputs), **_source(parity)},
        "machine": {"machine": platform.machine(), "system": platform.system()},
        "backends": backends,
        "verdict": "fail" if failed else "not informative" if vague else "pass",
    }


def _source(parity: Json) -> Json:
    return {"source": parity.get("reference", {}).get("source")}


def _references(bundle: Bundle) -> tuple[NDArray[np.uint8], dict[str, Scores], Json]:
    try:
        with np.load(bundle.path / INPUTS, allow_pickle=False) as archive:
            inputs = archive["inputs"]
        with np.load(bundle.path / OUTPUTS, allow_pickle=False) as archive:
            stored = {name: archive[name] for name in archive.files}
        parity: Json = json.loads((bundle.path / PARITY).read_bytes())
        wanted = (len(inputs), len(bundle.labels))
        for name in ("float", *bundle.formats):
            if stored[name].shape != wanted:
                raise ValueError(f"{name} has outputs of shape {stored[name].shape}, not {wanted}")
            if name != "float":
                parity["formats"][name]["tolerance"]["here_max_dp"]
                for other in _variants(parity["formats"][name]).values():
                    if stored[other].shape != wanted:
                        raise ValueError(f"{other} has outputs of shape {stored[other].shape}")
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"the references of {bundle.path} cannot be read: {type(error).__name__}: {error}",
            allowed=f"{INPUTS}, {OUTPUTS} and {PARITY}, as `alledge export` writes them",
            fix="export the bundle again",
        ) from None
    return inputs, stored, parity


def _variants(desk: Json) -> dict[str, str]:
    """Return under which names the desk kept what other kernels compute, by those kernels."""
    return {kernels: str(row["outputs"]) for kernels, row in desk.get("variants", {}).items()}


def _replay(
    bundle: Bundle,
    name: str,
    inputs: NDArray[np.uint8],
    stored: dict[str, Scores],
    desk: Json,
    threads: int | None,
) -> Json:
    engine = None
    try:
        backend = open_backend(bundle, name, threads)
        engine = backend.engine
        found = _run(backend, inputs)
    except BackendError as error:
        return _row("fail", engine, None, desk, error.one_line)
    # An engine may have other kernels than the desk's: what they compute is in the bundle too, and
    # which it was is told.
    distances = {
        kernels: _distance(bundle, name, found, stored[outputs])
        for kernels, outputs in {"": name, **_variants(desk)}.items()
    }
    nearest = min(distances, key=lambda kernels: float(distances[kernels]["max_dp"]))
    distance = distances[nearest]
    tolerance = float(desk["tolerance"]["here_max_dp"])
    # a NaN is no number within a tolerance
    status = "pass" if distance["max_dp"] <= tolerance else "fail"
    here = {**distance, "tolerance": tolerance, "kernels": nearest or None}
    against = _distance(bundle, name, found, stored["float"])
    return _row(status, engine, {**here, "from_float": against}, desk, None)


def _run(backend: Backend, inputs: NDArray[np.uint8]) -> Scores:
    try:
        return np.concatenate([backend.predict(image[np.newaxis]) for image in inputs])
    finally:
        backend.close()


def _distance(bundle: Bundle, name: str, found: Scores, wanted: Scores) -> Json:
    """Return how far two sets of raw scores are apart, as parity.json counts it."""
    if not np.isfinite(found).all():
        return {"max_dp": 1.0, "mean_dp": 1.0, "agreement": 0.0}
    made, labels, positive = bundle.formats[name], bundle.labels, bundle.positive
    apart = np.abs(
        positive_score(found, labels, positive) - positive_score(wanted, labels, positive)
    )
    here, there = (
        assign_labels(apply_temperature(scores, made.temperature), labels, positive, made.threshold)
        for scores in (found, wanted)
    )
    return {
        "max_dp": float(min(apart.max(), 1.0)),
        "mean_dp": float(min(apart.mean(), 1.0)),
        "agreement": float((here == there).mean()),
    }


def _row(status: str, engine: str | None, here: Json | None, desk: Json, error: str | None) -> Json:
    kept = (
        *("max_dp", "mean_dp", "agreement", "lost_positives", "to_review", "verdict"),
        *("measured_on", "images", "figures", "gate"),
    )
    return {
        "status": status,
        "engine": engine,
        "here": here,
        "float": {key: desk.get(key) for key in kept},
        "error": error,
    }


def verify_text(document: Json) -> str:
    """Return the document as a page for a person."""
    images = document["references"]["images"]
    lines = [
        f"{document['bundle']}  {document['digest'][:19]}",
        f"files      {document['files']} checked, every SHA-256 as exported",
        f"references {images} images ({document['references']['source'] or 'stored'})",
    ]
    for name, row in document["backends"].items():
        lines += [
            "",
            f"{name:10} {row['status']}" + (f"  {row['engine']}" if row["engine"] else ""),
        ]
        if row["error"]:
            lines.append(f"  {row['error']}")
        if row["here"]:
            here = row["here"]
            desk = f"desk, {here['kernels']}" if here["kernels"] else "desk"
            lines.append(
                f"  same artifact, here and on the {desk}: max |Δp| {here['max_dp']:.6f} "
                f"(allowed {here['tolerance']:g}), {here['agreement']:.1%} of the labels agree"
            )
        if row["float"]["max_dp"] is not None:
            lines.append(_cost_line(row["float"]))
    return "\n".join([*lines, "", f"verdict    {document['verdict']}"])


def _cost_line(desk: Json) -> str:
    kind = {"cross-fitted": ", cross-fitted", "gate": ", which chose the recipe too"}
    told = desk["verdict"]
    if desk["gate"] == "not evaluated":
        told += ", gate not evaluated"
    return (
        f"  artifact and float model, on {desk['images']} {desk['measured_on']}"
        f"{kind.get(desk['figures'], '')}: max |Δp| {desk['max_dp']:.4f}, "
        f"mean {desk['mean_dp']:.4f}, {desk['lost_positives']} lost positives: {told}"
    )
