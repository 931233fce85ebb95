"""Puts a bundle together from artifacts that were compared: record, references, parity, card.

What an export of a run and the matrix of all models have in common; loads no converter.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...runtime.bundle.bundle import SCHEMA as BUNDLE_SCHEMA
from ...runtime.bundle.bundle import SCHEMA_VERSION as BUNDLE_VERSION
from ..convert.capabilities import ARTIFACTS
from ..convert.quantization_recipes import describe
from ..gate.parity import SCHEMA, SCHEMA_VERSION, cpu
from ..options import Artifact, Scores
from .model_card import model_card
from .writer import new_bundle, write_arrays, write_document, write_record

Json = dict[str, Any]
FLOAT_DECISION, OWN_DECISION = "float out-of-fold", "artifact out-of-fold"
NO_DECISION = "not fitted"  # threshold and band are the middle: there was nothing to fit them on


@dataclass(frozen=True)
class References:
    """The images a bundle is replayed on.

    Parameters
    ----------
    images : (N, S, S, 3) ndarray of uint8
    real : (N, C) ndarray of float32
        The float model's scores of them.
    source : {"generated", "given"}
    """

    images: NDArray[np.uint8]
    real: Scores
    source: str = "generated"


def assemble(
    out: Path, force: bool, record: Json, made: Mapping[str, Artifact], references: References
) -> None:
    """Write a bundle, whole or not at all; the artifacts move into it.

    Parameters
    ----------
    out : Path
    force : bool
        Replace a bundle that is there.
    record : dict
        Of `bundle_record`.
    made : mapping of str to Made
        The artifacts, by format.
    references : References

    Raises
    ------
    UsageError
        If the place is taken.
    """
    parity = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "cpu": cpu(),
        "reference": {"source": references.source, "images": len(references.images)},
        "formats": {form: row.parity for form, row in made.items()},
    }
    with new_bundle(out, force) as folder:
        for row in made.values():
            for path in sorted(row.folder.iterdir()):
                shutil.move(path, folder / path.name)  # the working folder may be on another disk
        write_arrays(folder / "reference" / "inputs.npz", {"inputs": references.images})
        write_arrays(
            folder / "reference" / "outputs.npz",
            {
                "float": references.real,
                **{form: row.scores for form, row in made.items()},
                **{
                    row.parity["variants"][name]["outputs"]: scores
                    for row in made.values()
                    for name, scores in row.variants.items()
                },
            },
        )
        write_document(folder / "parity.json", parity)
        (folder / "MODEL_CARD.md").write_bytes(model_card(record, parity).encode("utf-8"))
        write_record(folder, record)


def bundle_record(run: Json, name: str, precision: str, formats: Json) -> Json:
    """Return ``bundle.json`` but for the hashes.

    Parameters
    ----------
    run : dict
        The record of a run, or as much of one as there is.
    name : str
    precision : str
    formats : dict
        Of `format_entry`, by format.
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
    """Return the run's out-of-fold figures, and on what they were calibrated."""
    oof: Json | None = run.get("oof")
    return oof and oof | {key: run[key] for key in ("calibration",) if key in run}


def format_entry(row: Artifact, precision: str, decision: str, calibrated: Json | None) -> Json:
    """Return what ``bundle.json`` says of one artifact.

    Parameters
    ----------
    row : Artifact
    precision : str
    decision : str
        Whose scores temperature, threshold and band were fitted on.
    calibrated : dict or None
        ``source`` and number of ``images`` that int8 ranges were found on.
    """
    return {
        "file": ARTIFACTS[row.form],
        "temperature": row.reading.temperature,
        "threshold": row.reading.decision.threshold,
        "band": list(row.reading.decision.band),
        "recipe": describe(row.recipe, row.form, precision),
        "left_in_float": row.said["left_in_float"],
        "calibration": calibrated,
        "decision": decision,
        "produced_by": row.said["produced_by"],
        "gate": row.gate,
    }
