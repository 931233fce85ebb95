"""Counts the smudge cells of ALL-IDB1 that a network takes for leucocytes, out of fold.

``python -m alledge.benchmarks.internal.unusual_fields.smudge_verdicts RUN``. A field of smudge
cells only has none that the detector can tell from them: what is left is the network's label.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click
import numpy as np

from ....errors import RunError
from ....runtime.cells.field_rule import OTHER
from ....runtime.metrics.decisions import Thresholds, decide
from ....runtime.metrics.intervals import wilson
from ....train.runs.predictions import Predictions
from ....train.runs.run_folder import load_run


def smudge_cells(predictions: Predictions, labels: tuple[str, ...]) -> Predictions:
    """Return the cells that the detector flags as smudges and the data set calls no leucocyte.

    Raises
    ------
    RunError
        If the run is none of cells with the label ``other``.
    """
    if predictions.counted is None or OTHER not in labels:
        raise RunError("the run has no cells with the label other", fix="name a run of cells")
    is_other = predictions.truth == labels.index(OTHER)
    return predictions.select(np.asarray(is_other & ~predictions.counted))


def share(count: int, total: int) -> str:
    """Return a count with its share's 95 % interval."""
    low, high = wilson(count, total)
    return f"{count} of {total} ({low:.1%} to {high:.1%})"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Print a Markdown table with one row for each camera."""
    run = load_run(folder)
    smudges = smudge_cells(run.fold_predictions(), run.labels)
    verdicts = decide(smudges.scores, run.labels, run.positive, Thresholds())
    by_camera: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for image, camera, verdict in zip(smudges.images, smudges.cameras, verdicts, strict=True):
        by_camera[camera][image.rpartition("#")[0]].append(verdict.label)
    click.echo("| camera | smudge cells called other | fields without a counted smudge |")
    click.echo("|---|---|---|")
    for camera, fields in sorted(by_camera.items()):
        labels = [label for field in fields.values() for label in field]
        empty = sum(set(field) == {OTHER} for field in fields.values())
        cells = share(labels.count(OTHER), len(labels))
        click.echo(f"| {camera} | {cells} | {share(empty, len(fields))} |")


if __name__ == "__main__":
    main()
