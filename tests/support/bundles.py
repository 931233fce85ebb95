"""Writes bundles of given artifacts without an export, for the tests of the runtime."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from alledge.runtime.backends import load_backend

FILES = {"tflite": ["model.tflite"], "onnx": ["model.onnx"], "openvino": ["model.xml", "model.bin"]}


def write_bundle(
    folder: Path, artifacts: Path, formats: tuple[str, ...] = tuple(FILES), **changes: Any
) -> Path:
    """Write a bundle of the artifacts; their engines score its reference images."""
    (folder / "reference").mkdir(parents=True)
    inputs = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
    inputs[::2, :56, :56, 1] //= 4  # the top left cell of every other image is red
    rows, parity, outputs = {}, {}, {}
    for name in formats:
        for file in FILES[name]:
            shutil.copy(artifacts / file, folder / file)
        backend = load_backend(name, folder / FILES[name][0], threads=1)
        outputs[name] = np.concatenate([backend.predict(one[None]) for one in inputs])
        backend.close()
        rows[name] = {
            "file": FILES[name][0],
            "temperature": 1.0,
            "threshold": 0.5,
            "band": [0.45, 0.55],
            "recipe": "by hand",
            "produced_by": {"onnx": "1"},
        }
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
    np.savez(folder / "reference" / "inputs.npz", inputs=inputs)
    outputs["float"] = outputs[formats[0]]
    np.savez(folder / "reference" / "outputs.npz", allow_pickle=False, **outputs)
    document = {
        "schema": "alledge/parity",
        "schema_version": 1,
        "cpu": {"machine": "x86_64", "flags": []},
        "reference": {"source": "generated", "images": len(inputs)},
        "formats": parity,
    }
    (folder / "parity.json").write_text(json.dumps(document), encoding="utf-8")
    record = {
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
        "formats": rows,
        "training": {"data": {}, "split": {}, "seed": 0, "weights": "none", "code": None},
        "metrics": None,
        "guards": None,
        "seen": {"salt": "00ff", "hashes": []},
        **changes,
    }
    return seal(folder, record)


def seal(folder: Path, record: dict[str, Any]) -> Path:
    """Write bundle.json, with the hashes of the files as they are now."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    record["files"] = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != "bundle.json"
    }
    (folder / "bundle.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def edit(folder: Path, **changes: Any) -> Path:
    """Change keys of bundle.json, leaving the rest as it is."""
    file = folder / "bundle.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**record, **changes}), encoding="utf-8")
    return folder
