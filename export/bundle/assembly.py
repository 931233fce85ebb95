"""Writes a bundle from checked artifacts: record, references, parity and model card.

The export of a run and the matrix of all models use it. Loads no converter.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from ... import __version__
from ...runtime.bundle.bundle import SCHEMA as BUNDLE_SCHEMA
from ...runtime.bundle.bundle import SCHEMA_VERSION as BUNDLE_VERSION
from ..convert.capabilities import ARTIFACTS
from ..convert.quantization_recipes import describe
from ..gate.parity import SCHEMA, SCHEMA_VERSION, cpu_features
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
    """
    parity = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "cpu": cpu_features(),
        "reference": {"source": references.source, "images": len(references.images)},
        "formats": {name: artifact.parity for name, artifact in artifacts.items()},
    }
    outputs = {"float": references.float_scores}
    outputs |= {name: artifact.scores for name, artifact in artifacts.items()}
    for artifact in artifacts.values():
        for kernels, scores in artifact.variants.items():
            outputs[artifact.parity["variants"][kernels]["outputs"]] = scores
    with new_bundle(out, force) as folder:
        for artifact in artifacts.values():
            for path in sorted(artifact.folder.iterdir()):
                shutil.move(path, folder / path.name)  # the work folder may be on another disk
        write_arrays(folder / "reference" / "inputs.npz", {"inputs": references.images})
        write_arrays(folder / "reference" / "outputs.npz", outputs)
        write_document(folder / "parity.json", parity)
        (folder / "MODEL_CARD.md").write_bytes(
            model_card(record, parity).encode("utf-8", "backslashreplace")
        )
        write_record(folder, record)


def bundle_record(run: Json, name: str, precision: str, formats: Json) -> Json:
    """Return ``bundle.json`` without the hashes of the files.

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
        "formats": formats,
        "training": {
            "data": {key: value for key, value in run["data"].items() if key != "root"},
            "split": run["split"],
            "seed": run["seed"],
            "weights": run["weights"],
            "code": run["code"],
        },
        "metrics": _metrics(run),
        "guards": run.get("guards"),
        "seen": run.get("seen"),
    }


def _metrics(run: Json) -> Json | None:
    """Return the out-of-fold figures of the run, and how they were calibrated."""
    oof: Json | None = run.get("oof")
    return oof and oof | {key: run[key] for key in ("calibration",) if key in run}


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
    }
