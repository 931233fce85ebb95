"""Writes a bundle from checked artifacts: record, references, parity and model card.

The export of a run and the matrix of all models use it. Loads no converter.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...runtime.bundle.answers import answers, guard_flags
from ...runtime.bundle.feature_output import LAST_LAYERS
from ...runtime.bundle.picture_cells import field_answer
from ...runtime.bundle.record_file import RECORD, parse_record
from ...runtime.bundle.record_file import SCHEMA as BUNDLE_SCHEMA
from ...runtime.bundle.record_file import SCHEMA_VERSION as BUNDLE_VERSION
from ...runtime.bundle.references import (
    FLOAT,
    INPUTS,
    OUTPUTS,
    PARITY,
    PICTURE,
    POSITIONS,
    SCHEMA,
    SCHEMA_VERSION,
    cell_outputs_name,
)
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import load_rgb
from ...train.runs.run_folder import LOCATIONS
from ..convert.capabilities import ARTIFACTS
from ..convert.quantization_recipes import describe
from ..gate.parity import cpu_features
from ..gate.reference_images import PICTURE_QUALITY, draw_picture
from ..types import Artifact, CalibrationSource, Json, References
from .model_card import model_card
from .writer import new_bundle, write_arrays, write_document, write_record

FLOAT_DECISION, OWN_DECISION = "float out-of-fold", "artifact out-of-fold"
NO_DECISION = "not fitted"  # nothing to fit on: threshold and band are in the middle


def assemble(
    out: Path, force: bool, record: Json, artifacts: Mapping[str, Artifact], references: References
) -> None:
    """Write a bundle, whole or not at all, and move the artifacts into it.

    Parameters
    ----------
    out : Path
    force : bool
        Replace an existing bundle.
    record : dict
        From `bundle_record`.
    artifacts : mapping of str to Artifact
        By format.
    references : References

    Raises
    ------
    UsageError
        If there is something at `out` that may not be replaced.
    BundleError
        If the record has a value that a device would refuse.
    """
    settings = ImageSettings.from_json(record["image_path"])
    outputs = {FLOAT: references.float_scores}
    outputs |= {name: artifact.scores for name, artifact in artifacts.items()}
    for artifact in artifacts.values():
        for kernels, scores in artifact.variants.items():
            outputs[artifact.parity["variants"][kernels]["outputs"]] = scores
        for name, scores in artifact.picture_scores.items():
            outputs[cell_outputs_name(name)] = scores
    picture = references.picture
    if picture is not None:
        outputs[POSITIONS] = picture.cells.astype(np.float32)
    parity = parity_document(record, artifacts, references)
    with new_bundle(out, force) as folder:
        for artifact in artifacts.values():
            for path in sorted(artifact.folder.iterdir()):
                shutil.move(path, folder / path.name)  # the work folder may be on another disk
        if layers := _last_layers(artifacts):
            write_arrays(folder / LAST_LAYERS, layers)
        (folder / PICTURE).parent.mkdir()
        if picture is None:
            draw_picture(settings).save(folder / PICTURE, quality=PICTURE_QUALITY)
        else:
            (folder / PICTURE).write_bytes(picture.jpeg)
        arrays = {"inputs": references.images, "picture": load_rgb(folder / PICTURE, settings)}
        if picture is not None:
            arrays["crops"] = picture.crops
        write_arrays(folder / INPUTS, arrays)
        write_arrays(folder / OUTPUTS, outputs)
        write_document(folder / PARITY, parity)
        (folder / "MODEL_CARD.md").write_bytes(
            model_card(record, parity).encode("utf-8", "backslashreplace")
        )
        write_record(folder, record)
        parse_record(folder / RECORD, (folder / RECORD).read_bytes())  # as a device will


def _last_layers(artifacts: Mapping[str, Artifact]) -> dict[str, NDArray[np.float32]]:
    """Return the arrays of ``last_layers.npz``: weights and bias by the format."""
    arrays: dict[str, NDArray[np.float32]] = {}
    for name, artifact in artifacts.items():
        if (layer := artifact.features) is not None:
            arrays |= {f"{name}-weights": layer.weights, f"{name}-bias": layer.bias}
    return arrays


def parity_document(
    record: Json, artifacts: Mapping[str, Artifact], references: References
) -> Json:
    """Return ``parity.json``: the comparisons, and what `verify` replays.

    Parameters
    ----------
    record : dict
        From `bundle_record`.
    artifacts : mapping of str to Artifact
        By format.
    references : References
    """
    formats = {}
    for name, artifact in artifacts.items():
        row = record["formats"][name]
        replay = answers(artifact.scores, record["labels"], record["positive"], row)
        formats[name] = {**artifact.parity, "answers": replay}
        if artifact.picture_scores:
            verdict = field_answer(
                artifact.picture_scores[name], record["labels"], record["positive"], row
            )
            formats[name]["field"] = verdict
    reference: Json = {
        "source": references.source,
        "images": len(references.images),
        "flags": guard_flags(references.images, record["guards"]),
    }
    if (picture := references.picture) is not None:
        reference["picture"] = {"cells": picture.count, "stored": len(picture.cells)}
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "cpu": cpu_features(),
        "reference": reference,
        "formats": formats,
    }


def bundle_record(run: Json, name: str, precision: str, formats: Json) -> Json:
    """Return ``bundle.json`` without hashes and sizes of the files, and without its checksum.

    Parameters
    ----------
    run : dict
        The record of a run; ``oof``, ``calibration``, ``guards`` and ``seen`` may be missing.
    name : str
    precision : str
    formats : dict
        By format, from `format_entry`.
    """
    return {
        "schema": BUNDLE_SCHEMA,
        "schema_version": BUNDLE_VERSION,
        "name": name,
        "version": __version__,
        "task": run["task"],
        "model": run["model"],
        "head": run["head"],
        "precision": precision,
        "labels": list(run["labels"]),
        "positive": list(run["positive"]),
        "image_path": run["image_path"],
        **({"cells": run["cells"]} if "cells" in run else {}),
        "formats": formats,
        "training": {
            "data": _without_locations(run["data"]),
            **(
                {"sources": list(map(_without_locations, run["sources"]))}
                if "sources" in run
                else {}
            ),
            "split": run["split"],
            "seed": run["seed"],
            "weights": run["weights"],
            "code": run["code"],
        },
        "metrics": _metrics(run),
        "guards": run.get("guards"),
        **({"field_guards": run["field_guards"]} if "field_guards" in run else {}),
        "seen": run.get("seen"),
    }


def _without_locations(data: Json) -> Json:
    return {key: value for key, value in data.items() if key not in LOCATIONS}


def _metrics(run: Json) -> Json | None:
    """Return the out-of-fold figures of the run, and how they were calibrated.

    Of a cell model they are those of cells; ``fields`` has those of whole fields.
    """
    oof: Json | None = run.get("oof")
    return oof and oof | {key: run[key] for key in ("calibration", "fields") if key in run}


def format_entry(
    artifact: Artifact, precision: str, fitted_on: str, calibration: CalibrationSource | None
) -> Json:
    """Return the entry of one artifact in ``bundle.json``.

    Parameters
    ----------
    artifact : Artifact
    precision : str
    fitted_on : {"float out-of-fold", "artifact out-of-fold", "not fitted"}
        The scores that temperature, threshold and band were fitted on.
    calibration : CalibrationSource, optional
    """
    return {
        "file": ARTIFACTS[artifact.format_name],
        "temperature": artifact.rule.temperature,
        "threshold": artifact.rule.thresholds.threshold,
        "band": list(artifact.rule.thresholds.band),
        "recipe": describe(artifact.recipe, artifact.format_name, precision),
        "left_in_float": artifact.left_in_float,
        "calibration": calibration,
        "decision": fitted_on,
        "produced_by": artifact.produced_by,
        "gate": artifact.gate,
        **({} if artifact.rule.field is None else {"field": artifact.rule.field.to_json()}),
        **({} if artifact.features is None else {"features": artifact.features.output.to_json()}),
    }
