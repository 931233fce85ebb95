"""Compares recipes of fine-tuning on cells, with the blasts of one camera left out of training.

``python -m alledge.benchmarks.internal.cell_ablation.recipes --data ALL_IDB1 --weights W --out D``.
Each recipe changes one thing of the default one. A command that was interrupted continues; the
runs stay in the folder.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from ....errors import DataError
from ....runtime.json_documents import read_json
from ....runtime.metrics.decisions import is_positive
from ....runtime.metrics.metrics import Json
from ....train.data.split_types import CAMERA
from ....train.fitting.augmentation import NO_AUGMENTATION
from ....train.fitting.recipe import CELL_FINE_TUNING, Recipe
from ....train.runs.options import TrainOptions
from ....train.runs.run_folder import METRICS, RECORD, Run, load_run
from ....train.runs.session import train
from .figures import Scores, measure_difference, weighted_auc
from .variants import JITTERED

MODEL = "mobilenetv2"
DEFAULT = "default"
RECIPES: dict[str, Recipe] = {
    DEFAULT: CELL_FINE_TUNING,
    # its statistics do not fit averaged weights
    "batch-normalization-trained": replace(
        CELL_FINE_TUNING, freeze_norm=False, averaged_epochs=0.0
    ),
    "epoch-chosen": replace(CELL_FINE_TUNING, choose_epoch=True),
    "weights-not-averaged": replace(CELL_FINE_TUNING, averaged_epochs=0.0),
    "no-augmentation": replace(CELL_FINE_TUNING, augmentation=NO_AUGMENTATION),
    "jittered": replace(CELL_FINE_TUNING, augmentation=JITTERED),
    "jittered-noise-and-jpeg": replace(
        CELL_FINE_TUNING, augmentation=replace(JITTERED, noise=0.03, jpeg=60)
    ),
    "jittered-weights-not-averaged": replace(
        CELL_FINE_TUNING, augmentation=JITTERED, averaged_epochs=0.0
    ),
}


def scores_of(run: Run, metrics: Json, camera: str) -> Scores:
    """Return the blast scores of the cells that a direction tests."""
    cells = run.fold_predictions().with_truth()
    [direction] = [row for row in metrics["directions"] if row["tested"] == camera]
    positive = is_positive(run.labels, run.positive)
    blast = cells.scores[:, positive].sum(axis=1)
    tested = np.isin(cells.folds, folds_of(run, camera))
    if tested.sum() != direction["model"]["images"]:
        raise DataError(f"{run.path} does not agree with its metrics", fix="train it again")
    groups = np.asarray(cells.groups)[tested]
    return Scores(positive[cells.truth[tested]], blast[tested][None], groups)


def folds_of(run: Run, camera: str) -> list[int]:
    """Return the folds that test the blasts of a camera."""
    cells = run.fold_predictions()
    blasts = is_positive(run.labels, run.positive)[cells.truth]
    of_camera = blasts & (np.asarray(cells.cameras) == camera)
    return [int(number) for number in np.unique(cells.folds[of_camera])]


def table_row(name: str, run: Run, reference: Run) -> str:
    """Return a Markdown row with the figures of both directions."""
    values = [name]
    metrics, others = (read_json(one.path / METRICS, error=DataError) for one in (run, reference))
    for cells, fields in zip(metrics["directions"], metrics["field_directions"], strict=True):
        camera, figure = cells["tested"], cells["model"]["auc"]
        text = f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"
        if run.path != reference.path:
            own, other = scores_of(run, metrics, camera), scores_of(reference, others, camera)
            gain = measure_difference(own, other, weighted_auc)
            if gain is not None:
                text += f", {gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
        field = fields["model"] and fields["model"]["sensitivity_at_95"]
        values += [text, f"{field['value']:.3f}" if field else "–"]
    return f"| {' | '.join(values)} |"


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--weights", required=True, help="As `alledge train --weights`.")
@click.option("--groups", type=click.Path(path_type=Path), help="CSV file with image,group.")
@click.option("--cells", type=click.Path(path_type=Path), help="CSV file with image,x,y,label.")
@click.option("--recipes", default=",".join(RECIPES), show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
def main(
    data: Path,
    weights: str,
    groups: Path | None,
    cells: Path | None,
    recipes: str,
    seed: int,
    out: Path,
) -> None:
    """Train a run for each recipe, and print a Markdown table of those that are finished."""
    runs: dict[str, Run] = {}
    for name in recipes.split(","):
        folder = out / name
        if not (folder / RECORD).is_file():
            options = TrainOptions(
                model=MODEL, data=data, recipe=RECIPES[name], weights=weights, split=CAMERA,
                folds=2, groups=groups, out=folder, task="cell", cells_file=cells, seed=seed,
            )  # fmt: skip
            train(options, resume=folder.exists())
        runs[name] = load_run(folder)
    reference = runs.get(DEFAULT) or next(iter(runs.values()))
    for name, run in runs.items():
        click.echo(table_row(name, run, reference))


if __name__ == "__main__":
    main()
