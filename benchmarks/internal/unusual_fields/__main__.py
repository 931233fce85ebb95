"""Classifies unusual fields, each in a process of its own, and prints what was answered.

``python -m alledge.benchmarks.internal.unusual_fields [BUNDLE]``. The peak of the
memory is that of the whole process. The last row is a field in the eight orientations of EXIF.
"""

from __future__ import annotations

import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
from PIL import ExifTags, Image

from ....errors import DataError
from ....runtime.cells.field_rule import SMUDGE
from ....runtime.json_documents import parse_json
from ....train.phantom.cell_kinds import BLAST
from ..paired_measurement import run_timed
from .drawing import DRAWINGS, field_of, write_fields

UNDONE = {  # what turns an upright picture into one that is stored with an orientation
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
COLUMNS = ("field", "status", "label", "leucocytes", "not judged", "smudges", "other", "flags")


def stored_with(upright: Image.Image, orientation: int, path: Path) -> Path:
    """Write a picture as a turned camera stores it: turned back, with the orientation in EXIF."""
    turn, exif = UNDONE[orientation], Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    (upright if turn is None else upright.transpose(turn)).save(path, exif=exif)
    return path


def classify(paths: list[Path], bundle: str) -> tuple[list[dict[str, Any]], float]:
    """Return the records of fields that one process classifies, and its peak memory in MiB."""
    words = ["classify", *map(str, paths), "--bundle", bundle, "--as", "field", "--json"]
    with tempfile.TemporaryFile() as output:
        _, peak_mib = run_timed([sys.executable, "-m", "alledge", *words], stdout=output)
        output.seek(0)
        records = [parse_json(line, "a record", error=DataError) for line in output]
    return records, peak_mib


def row(name: str, record: dict[str, Any], peak_mib: float) -> str:
    """Return a row of the table."""
    counts, cells = record["counts"], record["cells"]
    values = (
        name, record["status"], record["label"] or "none", counts["leucocytes"], counts["more"],
        sum(SMUDGE in cell["flags"] for cell in cells),
        sum(cell["label"] == "other" for cell in cells),
        ", ".join(record["flags"]), f"{peak_mib:.0f}",
    )  # fmt: skip
    return f"| {' | '.join(map(str, values))} |"


@click.command()
@click.argument("bundle", default="builtin")
def main(bundle: str) -> None:
    """Print a Markdown table with one row for each field."""
    click.echo(f"| {' | '.join((*COLUMNS, 'peak MiB'))} |")
    click.echo("|---" * (len(COLUMNS) + 1) + "|")
    with tempfile.TemporaryDirectory() as folder:
        # by another process: a child's peak is at least the memory of the process that starts it
        drawing = get_context("spawn").Process(target=write_fields, args=(Path(folder),))
        drawing.start()
        drawing.join()
        for number, name in enumerate(DRAWINGS):
            [record], peak_mib = classify([Path(folder) / f"{number}.jpg"], bundle)
            click.echo(row(name, record, peak_mib))
        upright = field_of(BLAST)
        turned = [stored_with(upright, n, Path(folder) / f"{n}.png") for n in UNDONE]
        records, peak_mib = classify(turned, bundle)
    agree = sum(record["cells"] == records[0]["cells"] for record in records)
    name = f"eight turns of EXIF: {agree} of {len(records)} have the same cells"
    click.echo(row(name, records[0], peak_mib))


if __name__ == "__main__":
    main()
