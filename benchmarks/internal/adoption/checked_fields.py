"""Divides the fields of one camera of ALL-IDB1 into checked fields and others, for a trial by hand.

python -m alledge.benchmarks.internal.adoption.checked_fields ALL_IDB1 --camera CAMERA --out DIR
    --cells docs/all-idb1-cells.csv --groups docs/all-idb1-overlaps.csv [--count 100]

``DIR/checked.csv`` names some cells of random fields, at most six of a field (a tenth of all, if
that is more), as `alledge adopt --checked` takes it; ``DIR/checked`` holds these fields and
``DIR/others`` all other fields of the camera.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ....runtime.csv_cells import csv_document
from ....runtime.data.datasets import Sample, read_dataset
from ....runtime.outputs import check_folder, write_outputs
from ....train.data.examples import read_rows
from .trials import MOST_OF_A_GROUP

HEADER = ("image", "x", "y", "label", "smear")


def main() -> None:
    """Write the table and copy the fields."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cells", type=Path, required=True)
    parser.add_argument("--groups", type=Path, required=True)
    parser.add_argument("--camera", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    check_folder(arguments.out)
    samples = [
        row for row in read_dataset(arguments.data).samples if row.camera == arguments.camera
    ]
    groups = {
        Path(row["image"]).name: row["group"]
        for row in read_rows(arguments.groups, ("image", "group"))
    }
    named = read_rows(arguments.cells, ("image", "x", "y", "label"))
    rows: list[tuple[object, ...]] = []
    random = np.random.default_rng(0)
    checked: set[str] = set()
    for at in random.permutation(len(samples)):
        name, missing = samples[at].path.name, arguments.count - len(rows)
        group = groups.get(name, name)
        own = [(name, *cell, group) for cell in true_cells(samples[at], named)]
        most = min(missing, max(MOST_OF_A_GROUP, arguments.count // 10))
        rows += [own[index] for index in random.permutation(len(own))[:most]]
        checked |= {group} if own and most else set()
    write_outputs({arguments.out / "checked.csv": csv_document(HEADER, rows)})
    for sample in samples:
        is_checked = groups.get(sample.path.name, sample.path.name) in checked
        folder = arguments.out / ("checked" if is_checked else "others")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / sample.path.name).write_bytes(sample.path.read_bytes())
    print(f"{len(rows)} cells of {len({row[0] for row in rows})} fields")


def true_cells(sample: Sample, named: list[dict[str, str]]) -> list[tuple[object, ...]]:
    """Return position and label of the cells of a field: its blasts, and what the table names."""
    return [
        *((x, y, "blast") for x, y in sample.centroids),
        *(
            (row["x"], row["y"], row["label"])
            for row in named
            if Path(row["image"]).name == sample.path.name
        ),
    ]


if __name__ == "__main__":
    main()
