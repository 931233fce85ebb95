"""Counts the healthy leucocytes of other microscopes that a cell bundle calls blasts, by kind.

``python -m alledge.benchmarks.internal.healthy_cells BUNDLE [--folders NAME DIR]
[--table NAME DIR CSV] [--boxes NAME DIR] [--json FILE]``. Every option but ``--json`` may be given
several times.

- ``--folders``: images of one cell each, in a folder for each kind (PBC).
- ``--table``: images of one cell each, and a CSV file of image number and kind from 1 to 5
  (neutrophil, lymphocyte, monocyte, eosinophil, basophil), as JTSC and CellaVision have it.
- ``--boxes``: fields with VOC boxes of leucocytes (BCCD).

No person of these sets is known to have leukaemia, so every blast is a false one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ...runtime.bundle.bundle import Bundle
from ...runtime.cells.field_rule import OTHER
from ...runtime.cells.matching import match_cells
from ...runtime.cells.types import Cell
from ...runtime.classifier import Classifier
from ...runtime.data.box_files import read_voc_boxes
from ...runtime.data.cell_truth import TrueCell, cells_of_boxes
from ...runtime.files import write_json
from ...runtime.imaging import read_header
from ...runtime.metrics.intervals import wilson
from ...runtime.metrics.metrics import Json
from ...runtime.option_types import FilePath
from ...runtime.records import Result
from ...runtime.terminal import echo

KINDS = {
    "1": "neutrophil",
    "2": "lymphocyte",
    "3": "monocyte",
    "4": "eosinophil",
    "5": "basophil",
}
LEUCOCYTE = "wbc"
TALLIES = ("cells", "answered", "blasts", OTHER, "review")


@dataclass(frozen=True)
class _Image:
    """An image, the kind of its cells, and their boxes if it is a field."""

    path: Path
    kind: str
    boxes: tuple[TrueCell, ...] = ()


@click.command()
@click.argument("bundle", type=FilePath(path_type=Path))
@click.option("--folders", nargs=2, multiple=True, type=str)
@click.option("--table", "tables", nargs=3, multiple=True, type=str)
@click.option("--boxes", nargs=2, multiple=True, type=str)
@click.option("--backend", default="auto")
@click.option(
    "--json",
    "document_file",
    type=FilePath(path_type=Path),
    help="Write the figures for `alledge study --laboratories`.",
)
def main(
    bundle: Path,
    folders: Sequence[tuple[str, str]],
    tables: Sequence[tuple[str, str, str]],
    boxes: Sequence[tuple[str, str]],
    backend: str,
    document_file: Path | None,
) -> None:
    """Print a Markdown table with a row for each set and kind."""
    sets = [(name, _of_folders(Path(folder))) for name, folder in folders]
    sets += [(name, _of_table(Path(folder), Path(table))) for name, folder, table in tables]
    sets += [(name, _of_boxes(Path(folder))) for name, folder in boxes]
    with Classifier.load(bundle, backend, mode="throughput") as classifier:
        rows: list[Json] = [
            {"set": name, "kind": kind, **row}
            for name, images in sets
            for kind, row in sorted(_tally(classifier, list(images)).items())
        ]
    echo(healthy_table(rows))
    if document_file is not None:
        write_json(document_file, healthy_document(classifier.bundle, rows))


def healthy_document(bundle: Bundle, rows: Sequence[Json]) -> Json:
    """Return the figures of a bundle as a document (schema ``healthy-cells``)."""
    record, training = bundle.record, bundle.record["training"]
    sources = training.get("sources") or [training["data"]]
    return {
        "schema": "alledge/healthy-cells",
        "schema_version": 1,
        "model": record["model"],
        "bundle": {"name": bundle.name, "digest": bundle.digest},
        "data": [row["name"] for row in sources if "name" in row],
        "auc": (record["metrics"] or {}).get("auc"),
        "rows": list(rows),
    }


def healthy_table(rows: Sequence[Json]) -> str:
    """Return the figures of each set and kind as a Markdown table."""
    lines = [
        "| set | kind | cells | answered | called blast | 95 % interval | other | in review |",
        "|---|---|---:|---:|---:|---|---:|---:|",
    ]
    for row in rows:
        low, high = wilson(row["blasts"], row["answered"])
        share = row["blasts"] / row["answered"] if row["answered"] else 0.0
        lines.append(
            f"| {row['set']} | {row['kind']} | {row['cells']} | {row['answered']} | "
            f"{row['blasts']} ({share:.1%}) | {low:.1%} to {high:.1%} | "
            f"{row[OTHER]} | {row['review']} |"
        )
    return "\n".join(lines)


def _tally(classifier: Classifier, images: Sequence[_Image]) -> dict[str, dict[str, int]]:
    """Return the numbers of each kind of cell.

    ``cells`` counts what the set names, ``answered`` those of them that were found. ``review``
    counts the cells of images that a person should look at.
    """
    rows: dict[str, dict[str, int]] = {}
    results = classifier.classify([image.path for image in images])
    for image, result in zip(images, results, strict=True):
        row = rows.setdefault(image.kind, dict.fromkeys(TALLIES, 0))
        row["cells"] += len(image.boxes) or 1
        for index in _matched(image, result):
            cell = (result.cells or ())[index]
            row["answered"] += 1
            row["blasts"] += cell.label in classifier.bundle.positive
            row[OTHER] += not cell.is_leucocyte
            row["review"] += result.status == "review"
    return rows


def _matched(image: _Image, result: Result) -> list[int]:
    """Return the indices of the cells of a result that the set names."""
    found = result.cells or ()
    if not found or result.kind is None:
        return []
    if image.boxes:
        cells = [Cell(cell.x, cell.y, cell.radius) for cell in found]
        return list(match_cells(cells, image.boxes))
    if result.kind == "cell":
        return [0]
    # a picture of one cell that was taken as a field: the largest nucleus is meant
    return [max(range(len(found)), key=lambda index: found[index].radius)]


def _of_folders(folder: Path) -> Iterator[_Image]:
    for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in sorted(kind.iterdir()):
            yield _Image(path, kind.name)


def _of_table(folder: Path, table: Path) -> Iterator[_Image]:
    with table.open(encoding="utf-8-sig", newline="") as stream:
        for row in list(csv.reader(stream))[1:]:
            if len(row) > 1 and row[1] in KINDS:
                yield _Image(folder / f"{int(row[0]):03}.bmp", KINDS[row[1]])


def _of_boxes(folder: Path) -> Iterator[_Image]:
    for path in sorted((folder / "JPEGImages").glob("*.jpg")):
        named = read_voc_boxes(folder / "Annotations" / f"{path.stem}.xml")
        header = read_header(path)
        cells, _ = cells_of_boxes(named, (header.width, header.height), path)
        boxes = tuple(cell for cell in cells if cell.label.lower() == LEUCOCYTE)
        if boxes:
            yield _Image(path, "leucocyte", boxes)


if __name__ == "__main__":
    main()
