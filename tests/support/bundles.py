"""Writes bundles of given artifacts without an export, for the tests of the runtime."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from alledge.runtime.backends import load_backend
from alledge.runtime.bundle.answers import answers, guard_flags
from alledge.runtime.bundle.record_file import record_text
from alledge.runtime.bundle.references import PARITY, PICTURE
from alledge.runtime.cells.crop_settings import CropSettings
from alledge.runtime.cells.field_rule import FieldRule
from alledge.runtime.cells.settings import CellSettings
from alledge.runtime.image_settings import ImageSettings
from alledge.runtime.imaging import load_rgb

FILES = {"tflite": ["model.tflite"], "onnx": ["model.onnx"], "openvino": ["model.xml", "model.bin"]}

RECORD_KEYS: dict[str, Any] = {
    "schema": "alledge/bundle",
    "schema_version": 1,
    "name": "tiny-float32",
    "version": "0.1.0",
    "task": "field",
    "model": "tiny",
    "head": "gap",
    "precision": "float32",
    "labels": ["healthy", "blast"],
    "positive": ["blast"],
    "image_path": {"size": 224, "geometry": "squash", "draft": 448},
    "training": {"data": {}, "split": {}, "seed": 0, "weights": "none", "code": None},
    "metrics": None,
    "guards": None,
    "seen": {"salt": "00ff", "hashes": []},
}


CELL_CROP, CELL_WIDTH = 224, 3.0


def write_cell_bundle(folder: Path, artifacts: Path, rule: FieldRule | None = None) -> Path:
    """Write a bundle whose network judges cells."""
    settings = CellSettings(crop=CropSettings(size=CELL_CROP, width=CELL_WIDTH))
    changes = {"name": "tiny-cell-float32", "task": "cell", "cells": settings.to_json()}
    return write_bundle(folder, artifacts, field=(rule or FieldRule()).to_json(), **changes)


def format_row(name: str) -> dict[str, Any]:
    """Return the row of a format in bundle.json."""
    return {
        "file": FILES[name][0],
        "temperature": 1.0,
        "threshold": 0.5,
        "band": [0.45, 0.55],
        "recipe": "by hand",
        "produced_by": {"onnx": "1"},
    }


def write_bundle(
    folder: Path,
    artifacts: Path,
    formats: tuple[str, ...] = tuple(FILES),
    *,
    field: dict[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Write a bundle of the artifacts; their engines score its reference images."""
    extra = {} if field is None else {"field": field}
    rows = {name: {**format_row(name), **extra} for name in formats}
    record = {**RECORD_KEYS, "formats": rows, **changes}
    (folder / "reference").mkdir(parents=True)
    inputs = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
    inputs[::2, :56, :56, 1] //= 4  # the top left cell of every other image is red
    parity, outputs = {}, {}
    for name in formats:
        for file in FILES[name]:
            shutil.copy(artifacts / file, folder / file)
        backend = load_backend(name, folder / FILES[name][0], threads=1)
        outputs[name] = np.concatenate([backend.predict(one[None]) for one in inputs])
        backend.close()
        parity[name] = {
            "max_dp": 0.0,
            "mean_dp": 0.0,
            "agreement": 1.0,
            "lost_positives": 0,
            "to_review": 0,
            "coverage": {"below": 4, "above": 4, "near_threshold": 0, "informative": True},
            "tolerance": {"max_dp": 0.1, "here_max_dp": 0.001},
            "measured_on": "references",
            "images": 32,
            "verdict": "pass",
        }
    settings = ImageSettings(**record["image_path"])
    noise = np.random.default_rng(1).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((1200, 900), Image.Resampling.BICUBIC)
    picture.save(folder / PICTURE, quality=75)
    pixels = load_rgb(folder / PICTURE, settings)
    np.savez(folder / "reference" / "inputs.npz", inputs=inputs, picture=pixels)
    outputs["float"] = outputs[formats[0]]
    np.savez(folder / "reference" / "outputs.npz", allow_pickle=False, **outputs)
    document = {
        "schema": "alledge/parity",
        "schema_version": 1,
        "cpu": {"machine": "x86_64", "flags": []},
        "reference": {"source": "generated", "images": len(inputs)},
        "formats": parity,
    }
    (folder / PARITY).write_text(json.dumps(document), encoding="utf-8")
    seal(folder, record)
    return store_answers(folder)


def store_answers(folder: Path) -> Path:
    """Store the answers that the record gives now, as an export of this record would."""
    record = read_record(folder)
    document = json.loads((folder / PARITY).read_text(encoding="utf-8"))
    with np.load(folder / "reference" / "outputs.npz") as archive:
        for name, row in record["formats"].items():
            row = answers(archive[name], record["labels"], record["positive"], row)
            document["formats"][name]["answers"] = row
    with np.load(folder / "reference" / "inputs.npz") as archive:
        document["reference"]["flags"] = guard_flags(archive["inputs"], record["guards"])
    (folder / PARITY).write_text(json.dumps(document), encoding="utf-8")
    return seal(folder, record)


def seal(folder: Path, record: dict[str, Any]) -> Path:
    """Write bundle.json, with the hashes and sizes of the files as they are now."""
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "bundle.json"
    }
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    sizes = {name: path.stat().st_size for name, path in files.items()}
    return write_record(folder, {**record, "files": hashes, "sizes": sizes})


def write_record(folder: Path, record: dict[str, Any]) -> Path:
    """Write bundle.json with its checksum, and leave hashes and sizes as they are."""
    (folder / "bundle.json").write_bytes(record_text(record))
    return folder


def read_record(folder: Path) -> dict[str, Any]:
    """Return the content of bundle.json."""
    record: dict[str, Any] = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    return record


def reseal(folder: Path) -> Path:
    """Make a bundle consistent again after a test changed its files."""
    return seal(folder, read_record(folder))


def edit(folder: Path, **changes: Any) -> Path:
    """Change keys of bundle.json as an exporter would: its checksum is right."""
    return write_record(folder, {**read_record(folder), **changes})


def tamper(folder: Path, **changes: Any) -> Path:
    """Change keys of bundle.json as somebody with an editor would, who leaves its checksum."""
    text = json.dumps({**read_record(folder), **changes}, indent=2)
    (folder / "bundle.json").write_text(text, encoding="utf-8")
    return folder
