"""``alledge verify``: whether a bundle computes here what it computed on the desk.

"The desk" is the machine that exported the bundle. Four questions are answered separately:

- The answers: does the record make of the stored scores what it made of them at the export?
- The picture: does this machine read the same pixels from a file? For a cell model: does it find
  the same cells in it?
- The same artifact here and on the desk: the tolerance is tight, and faults of CPU, engine and
  operators show.
- The artifact against the float model: the cost of quantization, measured on the desk.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError, BundleError, ImageError, MissingPackageError
from ..backends import BACKENDS, Backend, installed_backends, open_backend
from ..imaging import load_rgb
from ..metrics.decisions import apply_temperature, assign_labels, positive_score
from .answers import answers, differences, guard_flags
from .bundle import Bundle, Format
from .feature_check import check_features
from .picture_cells import (
    CELL_MAX_DP,
    CellReplay,
    cells_line,
    field_answer,
    field_differences,
    replay_cells,
)
from .references import FLOAT, PICTURE, References, Scores, read_references, variants

if TYPE_CHECKING:
    from ..types import (
        BackendVerification,
        Distance,
        HereDistance,
        PictureRecord,
        ReplayRecord,
        VerifyDocument,
    )

SCHEMA, SCHEMA_VERSION = "alledge/verify", 1
PARITY_KEYS = (
    "max_dp", "mean_dp", "agreement", "lost_positives", "to_review", "verdict", "measured_on",
    "images", "figures", "gate",
)  # fmt: skip
FIGURES = {"cross-fitted": ", cross-fitted", "gate": ", which chose the recipe too"}
# Levels of 255, on average over the picture. Decoders of JPEG round differently by one level;
# another geometry differs by ten and more.
PICTURE_TOLERANCE = 1.0
UNSIGNED = (
    "not checked, this device trusts no key. Checksums show damage and edits. Whoever can "
    "write the bundle can write its checksums too: only a signature shows who made it"
)


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
    references = read_references(bundle)
    installed = [name for name in installed_backends() if name in bundle.formats]
    if not installed:
        spec = BACKENDS[next(iter(bundle.formats))]
        raise MissingPackageError(spec.packages[0][1], spec.extra, "verifying this bundle")
    replay, picture = replay_answers(bundle, references), _compare_picture(bundle, references)
    cells = None if references.cells is None else replay_cells(bundle, references.cells)
    backends = {
        name: _verify_backend(bundle, name, references, threads, cells)
        if name in installed
        else _not_run("not installed", references.parity["formats"][name])
        for name in bundle.formats
    }
    statuses = {backend["status"] for backend in backends.values()}
    statuses |= {replay["status"], picture["status"]}
    statuses |= set() if cells is None else {cells.record["status"]}
    desk_verdicts = {backends[name]["float"]["verdict"] for name in installed}
    failed = "fail" in statuses or "fail" in desk_verdicts
    is_vague = "not informative" in desk_verdicts
    source = references.parity["reference"]["source"]
    document: VerifyDocument = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "bundle": bundle.name,
        "digest": bundle.digest,
        "files": len(bundle.record["files"]),
        "signed_by": bundle.signed_by,
        "references": {"images": len(references.inputs), "source": source},
        "answers": replay,
        "picture": picture,
        "machine": {"machine": platform.machine(), "system": platform.system()},
        "backends": backends,
        "verdict": "fail" if failed else "not informative" if is_vague else "pass",
    }
    if cells is not None:
        document["cells"] = cells.record
    return document


def replay_answers(bundle: Bundle, references: References) -> ReplayRecord:
    """Compare the answers that the record gives with those of the export; needs no engine.

    Parameters
    ----------
    bundle : Bundle
    references : References

    Returns
    -------
    dict
        The ``answers`` of the document.
    """
    lines = []
    for name in bundle.formats:
        row = bundle.record["formats"][name]
        here = answers(references.outputs[name], bundle.labels, bundle.positive, row)
        stored = references.parity["formats"][name]["answers"]
        lines += [f"{name}: {line}" for line in differences(here, stored)]
        if references.cells is not None:
            scores = references.cells.outputs[name]
            verdict = field_answer(scores, bundle.labels, bundle.positive, row)
            stored_verdict = references.parity["formats"][name]["field"]
            lines += [f"{name}: {line}" for line in field_differences(verdict, stored_verdict)]
    flags = guard_flags(references.inputs, bundle.record["guards"])
    stored_flags = references.parity["reference"]["flags"]
    wrong = [
        n for n, (here, there) in enumerate(zip(flags, stored_flags, strict=True)) if here != there
    ]
    if wrong:
        lines.append(
            f"guards: the flags of {len(wrong)} of {len(flags)} images differ, image {wrong[0]} "
            f"has {flags[wrong[0]]} and had {stored_flags[wrong[0]]} at the export"
        )
    return {"status": "fail" if lines else "pass", "differences": lines}


def _compare_picture(bundle: Bundle, references: References) -> PictureRecord:
    """Compare the pixels of the stored file, as this machine reads them, with the stored pixels."""
    try:
        pixels = load_rgb(bundle.path / PICTURE, bundle.image_settings)
    except ImageError as error:
        raise BundleError(
            error.what, allowed=error.allowed, fix="export the bundle again"
        ) from None
    apart = np.abs(pixels.astype(np.int16) - references.picture)
    mean = float(apart.mean())
    return {
        "status": "pass" if mean <= PICTURE_TOLERANCE else "fail",
        "mean_difference": mean,
        "max_difference": float(apart.max()),
    }


def _verify_backend(
    bundle: Bundle,
    name: str,
    references: References,
    threads: int | None,
    cells: CellReplay | None = None,
) -> BackendVerification:
    desk = references.parity["formats"][name]
    engine, inputs = None, references.inputs
    if cells is not None:
        inputs = np.concatenate([inputs, cells.crops])
    try:
        backend = open_backend(bundle, name, threads)
        engine = backend.engine
        all_scores = _run(backend, inputs, len(bundle.labels))
        own = all_scores[: len(references.inputs)]
        features = check_features(bundle, name, references.inputs, own, threads)
    except BackendError as error:
        return {**_not_run("fail", desk), "engine": engine, "error": error.one_line}
    scores, of_cells = all_scores[: len(references.inputs)], all_scores[len(references.inputs) :]
    # The engine may use other kernels here than on the desk. The bundle has the outputs of both,
    # and the document names the kernels whose outputs are nearest.
    names = {"": name, **variants(desk)}
    distances = {
        kernels: _distance(bundle, name, scores, references.outputs[outputs])
        for kernels, outputs in names.items()
    }
    nearest = min(distances, key=lambda kernels: distances[kernels]["max_dp"])
    distance = distances[nearest]
    tolerance = float(desk["tolerance"]["here_max_dp"])
    here: HereDistance = {
        **distance,  # type: ignore[typeddict-item]
        "tolerance": tolerance,
        "kernels": nearest or None,
        "from_float": _distance(bundle, name, scores, references.outputs[FLOAT]),
    }
    passed = distance["max_dp"] <= tolerance
    if cells is not None and references.cells is not None and len(of_cells):
        stored = references.cells.outputs[names[nearest]][cells.matched]
        here["cells"] = _distance(bundle, name, of_cells, stored)
        passed = passed and here["cells"]["max_dp"] <= max(CELL_MAX_DP, tolerance)
    passed = passed and (features is None or features["status"] == "pass")
    return {
        "status": "pass" if passed else "fail",
        "engine": engine,
        "here": here,
        "features": features,
        "float": _desk_figures(desk),
        "error": None,
    }


def _run(backend: Backend, inputs: NDArray[np.uint8], labels: int) -> Scores:
    try:
        rows = [backend.predict(image[np.newaxis]) for image in inputs]
        if shapes := {row.shape for row in rows} - {(1, labels)}:
            raise BackendError(f"{backend.engine} gives scores of the shape {shapes.pop()}")
        return np.concatenate(rows)
    finally:
        backend.close()


def _distance(bundle: Bundle, name: str, scores: Scores, reference: Scores) -> Distance:
    """Return the distance of two sets of uncalibrated scores, with the definitions of parity.json.

    Scores that are not finite have the largest distance.
    """
    if not (np.isfinite(scores).all() and np.isfinite(reference).all()):
        return {"max_dp": 1.0, "mean_dp": 1.0, "agreement": 0.0}
    labels, positive = bundle.labels, bundle.positive
    apart = np.abs(
        positive_score(scores, labels, positive) - positive_score(reference, labels, positive)
    )
    agree = _assign(scores, bundle, bundle.formats[name]) == _assign(
        reference, bundle, bundle.formats[name]
    )
    return {
        "max_dp": float(min(apart.max(), 1.0)),
        "mean_dp": float(min(apart.mean(), 1.0)),
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
        "features": None,
        "float": _desk_figures(desk),
        "error": None,
    }


def _desk_figures(desk: dict[str, Any]) -> dict[str, Any]:
    fields = {"fields": desk["fields"]} if "fields" in desk else {}  # only of cell models
    return {**{key: desk.get(key) for key in PARITY_KEYS}, **fields}


def verify_text(document: VerifyDocument) -> str:
    """Return the document as text for a person."""
    references, picture = document["references"], document["picture"]
    signed_by = document["signed_by"]
    lines = [
        f"{document['bundle']}  {document['digest'][:19]}",
        f"files      {document['files']} checked, every SHA-256 as exported",
        f"signature  {f'valid, by {signed_by}' if signed_by else UNSIGNED}",
        f"references {references['images']} images ({references['source']})",
        f"answers    {document['answers']['status']}: labels, probabilities, review and flags of "
        "the stored scores, here and at the export",
        *(f"  {line}" for line in document["answers"]["differences"]),
        f"picture    {picture['status']}: pixels of {PICTURE}, here and at the export: "
        f"mean difference {picture['mean_difference']:.3f} (allowed {PICTURE_TOLERANCE:g})",
    ]
    if "cells" in document:
        lines.append(cells_line(document["cells"]))
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
            if "cells" in here:
                lines.append(
                    f"  cells of {PICTURE}, here and on the {desk}: max |Δp| "
                    f"{here['cells']['max_dp']:.6f} (allowed "
                    f"{max(CELL_MAX_DP, here['tolerance']):g}), "
                    f"{here['cells']['agreement']:.1%} of the labels agree"
                )
        if features := backend["features"]:
            lines.append(
                f"  features: {features['size']}; scores with and without them max |Δp| "
                f"{features['max_dp']:.6f}, by the last layer {features['max_dp_of_layer']:.6f} "
                f"(allowed {features['tolerance']:g})"
            )
        if backend["float"]["max_dp"] is not None:
            lines.append(_cost_line(backend["float"]))
    absent = [n for n, row in document["backends"].items() if row["status"] == "not installed"]
    without = f"; not run, since not installed: {', '.join(absent)}" if absent else ""
    return "\n".join([*lines, "", f"verdict    {document['verdict']}{without}"])


def _cost_line(desk: dict[str, Any]) -> str:
    verdict = desk["verdict"]
    if desk["gate"] == "not evaluated":
        verdict += ", gate not evaluated"
    return (
        f"  artifact and float model, on {desk['images']} {desk['measured_on']}"
        f"{FIGURES.get(desk['figures'], '')}: max |Δp| {desk['max_dp']:.4f}, "
        f"mean {desk['mean_dp']:.4f}, {_lost(desk)}: {verdict}"
    )


def _lost(desk: dict[str, Any]) -> str:
    """Return the lost positives in words; for a cell model, the lost fields too."""
    if "fields" not in desk:
        return f"{desk['lost_positives']} lost positives"
    lost_fields = desk["fields"]["lost_positives"]
    return f"{desk['lost_positives']} lost blast cells, {lost_fields} lost blast fields"
