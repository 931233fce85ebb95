"""Writes a finished cell run of a tiny network with two folds, as training writes it.

The data set is generated smears in ALL-IDB1's layout. Fields with blasts are darker, and all their
cells are blasts, so that a convolution of eight channels separates the cells well.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .tiny_run import FOLDS, SIZE, fit_network

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
    from alledge.train.data.cells.field_split import split_cells
    from alledge.train.fitting.recipe import recipe_for
    from alledge.train.runs.options import TrainOptions
    from alledge.train.runs.run_outputs import write_tables
    from alledge.train.runs.run_results import run_results
    from alledge.train.runs.run_settings import run_settings

    split = split_cells(cells, "grouped", FOLDS, seed=0)
    folds = []
    for fold in split.folds:
        network = fit_network(cells.pixels[fold.train], cells.truth[fold.train])
        folder = path / "folds" / str(fold.number)
        folder.mkdir(parents=True)
        network.save(folder / "model.keras")
        p = np.asarray(network(cells.pixels[fold.test].astype(np.float32)))[:, 0]
        scores = np.stack([1 - p, p], axis=1).tolist()
        result = {"number": fold.number, "images": fold.test.tolist(), "scores": scores}
        folds.append({**result, "best": {}, "history": [], "seconds": 0.0})
    known = np.arange(len(cells.truth)) if split.refit is None else split.refit
    fit_network(cells.pixels[known], cells.truth[known]).save(path / "model.keras")
    recipe = recipe_for("none", epochs=1, batch_size=8, lr=None)
    options = TrainOptions(
        "mobilenetv2", data.root, recipe, weights="none", folds=FOLDS, task="cell",
        cells=cells.settings,
    )  # fmt: skip
    results = run_results(options, cells, split, folds)
    write_tables(path, cells, split, results, [])
    settings = run_settings(options, [data], cells, split, "none")
    record = {**settings, **results.record(options.sensitivity), **_facts(cells)}
    (path / "run.json").write_text(json.dumps(record), encoding="utf-8")


def _facts(cells: Any) -> dict[str, Any]:
    """Return what a finished run says beside its settings and results."""
    from alledge.runtime.bundle.seen_images import FILE_SETTINGS
    from alledge.runtime.guards.cell_guards import field_statistics
    from alledge.runtime.guards.fitting import fit_cell_guards, fit_guards
    from alledge.runtime.imaging import load_field, load_rgb
    from alledge.train.runs.run_metrics import seen_images

    fields = [load_field(field.path, cells.settings.field_pixels) for field in cells.fields]
    pixels = [load_rgb(field.path, FILE_SETTINGS) for field in cells.fields]
    return {
        "schema": "alledge/run",
        "schema_version": 1,
        "refit": {},
        "guards": fit_cell_guards(cells.pixels),
        "field_guards": fit_guards([field_statistics(rgb, header) for rgb, header, _ in fields]),
        "reading": [],
        "seen": seen_images(pixels, "tiny"),
        "code": {"version": "test", "commit": None},
        "versions": {},
        "started": "2026-01-01T00:00:00Z",
        "finished": "2026-01-01T00:00:00Z",
    }
