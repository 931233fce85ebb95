"""Measures cell detection: recall, false detections, agreement between scales and time.

``python -m alledge.benchmarks.internal.cell_detection SET FOLDER``. A detection is right if its
centre lies in the box or mask of a cell, or within its own radius of a given centre; each cell and
each detection counts once. Detections with the flag ``smudge`` are counted by themselves.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from statistics import median

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...runtime.cells.detection import detect_cells
from ...runtime.cells.settings import CellSettings
from ...runtime.cells.types import Cell, Detection
from ...runtime.imaging import load_field
from ...runtime.metrics.intervals import wilson
from ...runtime.types import RGB
from .cell_sets import SETS, Truth

SCALES = (0.5, 2.0)

Pairs = list[tuple[int, int]]
Floats = NDArray[np.float64]


def decode(path: Path) -> tuple[RGB, float]:
    """Return a field as the detector gets it, and its pixels per pixel of the original."""
    rgb, _, scale = load_field(path, CellSettings().field_pixels)
    return rgb, 1 / scale


def one_to_one(allowed: NDArray[np.bool_], distance: Floats) -> Pairs:
    """Return pairs of cell and detection, the nearest first, each at most once."""
    pairs: Pairs = []
    for cell, detection in sorted(
        np.argwhere(allowed).tolist(), key=lambda pair: distance[pair[0], pair[1]]
    ):
        if all(cell != a and detection != b for a, b in pairs):
            pairs.append((cell, detection))
    return pairs


def match_points(points: Floats, cells: list[Cell]) -> Pairs:
    """Return the pairs of a centre and a detection within the detection's radius."""
    places = np.array([(cell.x, cell.y) for cell in cells]).reshape(-1, 2)
    distance = np.hypot(*(points[:, None] - places[None]).transpose(2, 0, 1))
    return one_to_one(distance <= np.array([cell.radius for cell in cells]), distance)


def match_boxes(boxes: Floats, cells: list[Cell]) -> Pairs:
    """Return the pairs of a box and a detection in it."""
    places = np.array([(cell.x, cell.y) for cell in cells]).reshape(-1, 2)[None]
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    middle = (low + high) / 2
    inside = np.all((places >= low) & (places <= high), axis=2)
    return one_to_one(inside, np.hypot(*(places - middle).transpose(2, 0, 1)))


def match(truth: Truth, cells: list[Cell], scale: float) -> tuple[int, Pairs]:
    """Return the number of known cells of a field and the pairs of a cell and a detection."""
    if truth.mask is not None:
        inside = np.asarray(Image.open(truth.mask).convert("L")) > 0
        rows, columns = inside.shape
        hits = [
            (0, i)
            for i, cell in enumerate(cells)
            if inside[min(rows - 1, round(cell.y)), min(columns - 1, round(cell.x))]
        ]
        return 1, hits[:1]
    if len(truth.boxes):
        return len(truth.boxes), match_boxes(truth.boxes * scale, cells)
    return len(truth.points), match_points(truth.points * scale, cells)


def tally(truth: Truth, scale: float, detection: Detection) -> Counter[str]:
    """Return the counts of one field."""
    cells = list(detection.cells)
    count, pairs = match(truth, cells, scale)
    right = {j for _, j in pairs}
    rest = [cell for j, cell in enumerate(cells) if j not in right]
    neutral = {j for _, j in match_points(truth.leucocytes * scale, rest)}
    false = [cell for j, cell in enumerate(rest) if j not in neutral]
    return Counter(
        fields=1,
        cells=count,
        found=len(pairs),
        found_flagged=sum("smudge" in cells[j].flags for j in right),
        leucocytes=len(truth.leucocytes),
        leucocytes_found=len(neutral),
        false=sum("smudge" not in cell.flags for cell in false),
        false_flagged=sum("smudge" in cell.flags for cell in false),
    )


def agreement(rgb: RGB, detection: Detection) -> Counter[str]:
    """Return how many cells the same field has at other scales, and how many of them agree."""
    counts: Counter[str] = Counter()
    for scale in SCALES:
        size = [round(side * scale) for side in rgb.shape[1::-1]]
        other = detect_cells(
            np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))
        )
        places = np.array([(cell.x, cell.y) for cell in detection.cells]).reshape(-1, 2)
        counts["scaled"] += len(detection.cells) + len(other.cells)
        counts["agree"] += 2 * len(match_points(places * scale, list(other.cells)))
    return counts


def summary(group: str, counts: Counter[str], is_complete: bool) -> dict[str, object]:
    """Return the row of a group of fields."""
    row: dict[str, object] = {"group": group, **counts}
    if counts["cells"]:
        low, high = wilson(counts["found"], counts["cells"])
        row["recall"] = round(counts["found"] / counts["cells"], 4)
        row["recall_interval"] = [round(low, 4), round(high, 4)]
    row["false_per_field"] = round(counts["false"] / counts["fields"], 3)
    positive = counts["found"] - counts["found_flagged"] + counts["false"]
    if counts["cells"] and positive and is_complete:
        row["precision"] = round(1 - counts["false"] / positive, 4)
    if counts["scaled"]:
        row["agreement"] = round(counts["agree"] / counts["scaled"], 4)
    return row


@click.command()
@click.argument("name", type=click.Choice(list(SETS)))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--scales", is_flag=True, help="Detect at half and double size too.")
def main(name: str, folder: Path, scales: bool) -> None:
    """Print one JSON line for each group of fields, and one with the time."""
    counts: dict[str, Counter[str]] = {}
    complete = {}
    decode_ms, detect_ms = [], []
    for truth in SETS[name](folder):
        started = time.process_time()
        rgb, scale = decode(truth.image)
        decoded = time.process_time()
        detection = detect_cells(rgb)
        decode_ms.append((decoded - started) * 1000)
        detect_ms.append((time.process_time() - decoded) * 1000)
        row = counts.setdefault(truth.group, Counter())
        row.update(tally(truth, scale, detection))
        complete[truth.group] = truth.is_complete
        row[f"unit from {detection.unit_source}"] += 1
        if scales:
            row.update(agreement(rgb, detection))
    for group, row in counts.items():
        click.echo(json.dumps(summary(group, row, complete[group])))
    milliseconds = {"decode": round(median(decode_ms), 1), "detect": round(median(detect_ms), 1)}
    click.echo(json.dumps({"cpu_ms": milliseconds}))


if __name__ == "__main__":
    main()
