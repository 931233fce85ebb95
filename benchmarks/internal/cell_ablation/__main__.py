"""Measures what each part of the cell pipeline is worth when the camera changes.

``python -m alledge.benchmarks.internal.cell_ablation --data ALL_IDB1 --weights FOLDER --out DIR``.
Linear probes on frozen features of cells, in grouped folds and with the blasts of one camera left
out. A command that was interrupted continues: finished rows are stored in the folder.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from ....runtime.files import replace_file, write_json
from ....train.fitting.feature_cache import FeatureCache
from ....train.provenance import code_version, package_versions
from .base_features import BaseFeatures
from .cell_source import CellSource
from .row_store import RowRunner
from .table import csv_table, markdown_table, negatives_table, row_figures
from .variants import MODEL, variants

DETECTION = Path(__file__).parents[3] / "runtime" / "cells"


def code_digest() -> str:
    """Return a digest of the code that finds and cuts out cells."""
    files = sorted(DETECTION.glob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--weights", required=True, type=click.Path(path_type=Path, exists=True),
    help="Folder with MODEL.weights.h5 of every model.",
)  # fmt: skip
@click.option("--groups", type=click.Path(path_type=Path), help="CSV file with image,group.")
@click.option("--cells", type=click.Path(path_type=Path), help="CSV file with image,x,y,label.")
@click.option(
    "--negatives", type=click.Path(path_type=Path),
    help="A folder per kind with single cells of healthy people.",
)  # fmt: skip
@click.option("--models", default=MODEL, show_default=True, help="The first has all rows.")
@click.option(
    "--rows", default="", help="Only rows whose group or name contains one of these texts: A,B."
)
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
def main(
    data: Path,
    weights: Path,
    groups: Path | None,
    cells: Path | None,
    negatives: Path | None,
    models: str,
    rows: str,
    seeds: int,
    out: Path,
) -> None:
    """Measure every row of the ablation and write ablation.json, .csv and .md."""
    (out / "rows").mkdir(parents=True, exist_ok=True)

    def say(text: str) -> None:
        click.echo(text, err=True)

    source = CellSource(data, groups, negatives, cells)
    features = BaseFeatures(weights, FeatureCache(), say)
    identity = f"{source.fingerprint()} {code_digest()}"
    runner = RowRunner(source, features, out / "rows", seeds, identity)
    chosen = [
        row
        for row in variants(tuple(models.split(",")))
        if any(text in f"{row.group} {row.name}" for text in rows.split(","))
    ]
    reference, figures = None, []
    for variant in chosen:
        scores = runner.row(variant, say)
        figures.append(row_figures(scores, reference))
        reference = reference or scores
    text = f"{markdown_table(figures)}\n\n{negatives_table(figures)}\n"
    document = {
        "seeds": seeds,
        "code": code_version(),
        "versions": package_versions(),
        "rows": figures,
    }
    write_json(out / "ablation.json", document)
    for name, content in (("ablation.csv", csv_table(figures)), ("ablation.md", text)):
        with replace_file(out / name) as beside:
            beside.write_text(content, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main()
