"""Writes a finished cell run of a tiny network with two folds, as training writes it.

The data set is generated smears in ALL-IDB1's layout. Fields with blasts are darker, and all their
cells are blasts, so that a convolution of eight channels separates the cells well.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .tiny_run import FOLDS, LABELS, SALT, SIZE, fit_network

FIELDS, WIDTH, DARK = 16, 320, 0.7


def make(path: Path) -> None:
    """Write ``data/`` and ``run/`` below a folder."""
    from alledge.runtime.cells.crop_settings import CropSettings
    from alledge.runtime.cells.settings import CellSettings
    from alledge.runtime.data.datasets import read_dataset
    from alledge.train.data.cells.reading import read_cell_examples

    settings = CellSettings(crop=CropSettings(size=SIZE, white_balance=False))
    _draw(path / "data", settings)
    data = read_dataset(path / "data")
    _train(path / "run", data, read_cell_examples([data], settings))


def _draw(root: Path, settings: Any) -> None:
    from alledge.runtime.cells.field_cells import find_cells
    from alledge.train.phantom.smears import draw_field

    for folder in ("im", "xyc"):
        (root / folder).mkdir(parents=True)
    for index in range(FIELDS):
        is_blast = index % 2 == 1
        pixels = np.asarray(draw_field(9, index, False, size=WIDTH)[0], np.float32)
        field = (pixels * (DARK if is_blast else 1.0)).round().astype(np.uint8)
        name = f"Im{index + 1:03d}_{int(is_blast)}"
        Image.fromarray(field).save(root / "im" / f"{name}.jpg", quality=95)
        cells = find_cells(root / "im" / f"{name}.jpg", settings).cells if is_blast else ()
        lines = [f"{round(cell.x)} {round(cell.y)}\n" for cell in cells]
        (root / "xyc" / f"{name}.xyc").write_text("".join(lines), encoding="utf-8")


def _train(path: Path, data: Any, cells: Any) -> None:
    from alledge.train.runs.field_table import counted_cells

    groups = sorted(set(cells.groups))
    labels = {group: cells.truth[cells.groups.index(group)] for group in groups}
    folds_of = {}
    for label in (0, 1):
        own = [group for group in groups if labels[group] == label]
        folds_of |= {group: number % FOLDS + 1 for number, group in enumerate(own)}
    folds = np.array([folds_of[group] for group in cells.groups])
    scores = np.zeros((len(folds), 2), np.float32)
    for fold in range(1, FOLDS + 1):
        inside = folds == fold
        network = fit_network(cells.pixels[~inside], cells.truth[~inside])
        (path / "folds" / str(fold)).mkdir(parents=True)
        network.save(path / "folds" / str(fold) / "model.keras")
        p = np.asarray(network(cells.pixels[inside].astype(np.float32)))[:, 0]
        scores[inside] = np.stack([1 - p, p], axis=1)
    fit_network(cells.pixels, cells.truth).save(path / "model.keras")
    _write_tables(path, cells, folds, scores, counted_cells(cells))
    record = _record(data, cells, folds, scores)
    (path / "run.json").write_text(json.dumps(record), encoding="utf-8")


def _write_tables(
    path: Path, cells: Any, folds: np.ndarray, scores: np.ndarray, counted: np.ndarray
) -> None:
    names = ["image", "label", "fold", "group", "camera", "truth", "score_healthy", "score_blast"]
    with (path / "predictions.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*names, "counted"])
        for index, name in enumerate(cells.names):
            truth = int(cells.truth[index])
            row = [name, LABELS[truth], folds[index], cells.groups[index], cells.cameras[index]]
            writer.writerow([*row, truth, *scores[index].tolist(), int(counted[index])])
    with (path / "split.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "fold", "group", "label", "camera", "trained_by", "tested_by"])
        for index, name in enumerate(cells.names):
            fold = folds[index]
            others = " ".join(str(other) for other in range(1, FOLDS + 1) if other != fold)
            label, camera = LABELS[int(cells.truth[index])], cells.cameras[index]
            writer.writerow([name, fold, cells.groups[index], label, camera, others, fold])


def _record(data: Any, cells: Any, folds: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    from alledge.runtime.bundle.seen_images import pixel_hash
    from alledge.runtime.guards.fitting import fit_guards
    from alledge.runtime.image_settings import ImageSettings
    from alledge.runtime.metrics.decisions import apply_temperature
    from alledge.runtime.metrics.metrics import summarize
    from alledge.train.runs.calibration_fitting import fit_decision, fit_temperature
    from alledge.train.runs.field_rule_fitting import fit_field_rule

    temperature = fit_temperature(cells.truth, scores)
    p = apply_temperature(scores, temperature)[:, 1]
    decision = fit_decision(cells.truth == 1, p)
    present = [number for number in range(len(cells.fields)) if (cells.field_index == number).any()]
    by_field = [p[cells.field_index == number] for number in present]
    truth = np.array([cells.fields[number].label == "blast" for number in present])
    rule = fit_field_rule(by_field, truth)
    answers = np.array([rule.probability(own) for own in by_field])
    source = {
        "name": data.name,
        "layout": data.layout,
        "fingerprint": data.fingerprint(),
        "images": len(data.samples),
        "generated": True,
        "root": str(data.root),
    }
    names = [cells.fields[number].name for number in present]
    field_scores = np.stack([1 - answers, answers], axis=1)
    return {
        "schema": "alledge/run",
        "schema_version": 1,
        "model": "mobilenetv2",
        "head": "gap",
        "task": "cell",
        "labels": LABELS,
        "positive": ["blast"],
        "image_path": ImageSettings(size=SIZE, draft=SIZE).to_json(),
        "cells": cells.settings.to_json(),
        "field": rule.to_json(),
        "fields": summarize(truth.astype(int), field_scores, LABELS, ["blast"], 0.5, names),
        "field_calibration": "in-sample",
        "field_directions": [],
        "seed": 0,
        "split": {"kind": "grouped", "folds": FOLDS, "digest": "sha256:" + "0" * 64},
        "weights": "none",
        "data": source,
        "sources": [source],
        "temperature": temperature,
        "threshold": decision.threshold,
        "band": [decision.low, decision.high],
        "oof": summarize(cells.truth, scores, LABELS, ["blast"], 0.5, cells.groups),
        "guards": fit_guards(cells.statistics),
        "seen": {"salt": SALT, "hashes": sorted({pixel_hash(SALT, crop) for crop in cells.pixels})},
        "code": {"version": "test", "commit": None},
        "finished": "2026-01-01T00:00:00Z",
    }
