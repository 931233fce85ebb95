"""Evaluates the guards of a run: false alarms, other cameras, changed fields, non-smear images.

``python -m alledge.benchmarks.internal.guard_evaluation RUN [--data D] [--fields DIR]
[--smears DIR] [--json]``. A part is skipped if its data is not named. With ``--data``, the guards
are fitted to the data of the run again. Images that are no smear are drawn, and taken from
installed packages.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from PIL import Image

from ...errors import DataError
from ...runtime.csv_cells import read_csv
from ...runtime.data.datasets import Dataset, read_dataset
from ...runtime.data.inputs import find_images
from ...runtime.guards.fitting import MIN_IMAGES, fit_guards
from ...runtime.guards.guards import Guards
from ...runtime.guards.image_statistics import CAMERA, image_statistics
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import UNKNOWN_CAMERA, load_image
from ...runtime.types import Statistics
from .damaged_fields import CHANGES
from .guard_table import format_table
from .guard_tallies import CameraPair, Evaluation, Flags, HalfTally, OutOfFoldTally, Tally, tally
from .non_smear_images import drawn_images, is_untouched, sample_photographs

SCHEMA, SCHEMA_VERSION = "alledge/guards", 2


def evaluate_out_of_fold(
    statistics: dict[str, Statistics], folds: dict[str, str]
) -> OutOfFoldTally:
    """Apply to each fold's images the guards that were fitted on the other folds.

    Parameters
    ----------
    statistics : dict of str to dict
        The statistics of each image, by its name.
    folds : dict of str to str
        The fold of each image, by its name.

    Raises
    ------
    DataError
        If too few images are left without a fold.
    """
    flags: list[Flags] = []
    for fold in sorted(set(folds.values())):
        rest = [statistics[name] for name in statistics if folds[name] != fold]
        guards = Guards(fit_guards(rest))
        if not guards.active:
            raise DataError(
                f"without fold {fold} there are {len(rest)} images left",
                allowed=f"at least {MIN_IMAGES}: fewer do not show what is usual",
            )
        flags += [guards.flags(statistics[name]) for name in statistics if folds[name] == fold]
    return {"folds": len(set(folds.values())), **tally(flags)}


def evaluate_between_cameras(statistics: dict[str, Statistics]) -> list[CameraPair]:
    """Apply guards that were fitted on one camera to the images of each other camera."""
    by_camera: dict[str, list[Statistics]] = defaultdict(list)
    for row in statistics.values():
        by_camera[str(row[CAMERA])].append(row)
    pairs: list[CameraPair] = []
    for fitted_on, own in sorted(by_camera.items()):
        guards = Guards(fit_guards(own))
        if not guards.active:
            continue
        for asked, others in sorted(by_camera.items()):
            if asked == fitted_on:
                continue
            nameless = [{**row, CAMERA: UNKNOWN_CAMERA} for row in others]
            pairs.append(
                {
                    "fitted_on": fitted_on,
                    "asked": asked,
                    "named": tally([guards.flags(row) for row in others]),
                    "nameless": tally([guards.flags(row) for row in nameless]),
                }
            )
    return pairs


def evaluate_non_smears(
    guards: Guards, settings: ImageSettings, folders: Iterable[Path]
) -> dict[str, HalfTally]:
    """Apply the guards to images that are no smear.

    Returns
    -------
    dict of str to HalfTally
        ``untouched``: the half that nothing was tuned on. ``tuned_on``: the other half.
    """
    halves: dict[str, dict[str, list[Flags]]] = {
        "untouched": defaultdict(list),
        "tuned_on": defaultdict(list),
    }
    for source, image in (*drawn_images(), *sample_photographs(*folders)):
        half = "untouched" if is_untouched(source) else "tuned_on"
        statistics = image_statistics(*load_image(image, settings))
        halves[half][source].append(guards.flags(statistics))
    return {
        name: {
            **tally([flags for rows in by_source.values() for flags in rows]),
            "kinds": {source: tally(rows) for source, rows in sorted(by_source.items())},
        }
        for name, by_source in halves.items()
    }


def evaluate_changes(
    guards: Guards, settings: ImageSettings, paths: Iterable[str | Path]
) -> dict[str, dict[str, Tally]]:
    """Apply the guards to fields of the model's own microscopes, unchanged and changed.

    Returns
    -------
    dict of str to dict of str to Tally
        By group and kind of `CHANGES`.
    """
    flags: dict[str, dict[str, list[Flags]]] = {
        group: {kind: [] for kind in kinds} for group, kinds in CHANGES.items()
    }
    for path in paths:
        with Image.open(path) as image:
            field = image.convert("RGB")
        for group, kinds in CHANGES.items():
            for kind, change in kinds.items():
                source = path if kind == "unchanged" else change(field)
                statistics = image_statistics(*load_image(source, settings))
                flags[group][kind].append(guards.flags(statistics))
    return {
        group: {kind: tally(rows) for kind, rows in kinds.items()} for group, kinds in flags.items()
    }


def dataset_statistics(dataset: Dataset, settings: ImageSettings) -> dict[str, Statistics]:
    """Return the statistics of each image of a data set, by its path relative to the set."""
    return {
        dataset.relative(sample): image_statistics(*load_image(sample.path, settings))
        for sample in dataset.samples
    }


def read_folds(run: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the fold of each image from the run's ``split.csv``.

    Raises
    ------
    DataError
        If the run was trained on another data set.
    """
    with (run / "split.csv").open(encoding="utf-8", newline="") as stream:
        folds = {row["image"]: row["fold"] for row in read_csv(stream)}
    if missing := [name for name in names if name not in folds]:
        raise DataError(
            f"{run} has no fold for {len(missing)} images, the first of them {missing[0]}",
            fix="--data the set that the run was trained on",
        )
    return folds


def evaluate(
    run: Path,
    data: Path | None,
    smears: Path | None,
    photographs: Sequence[Path],
    fields: Path | None = None,
) -> Evaluation:
    """Evaluate the guards of a run on the data that was named.

    Raises
    ------
    DataError
        If the run is not finished, has no guards, or was trained on another data set.
    """
    try:
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        settings = ImageSettings.from_json(record["image_path"])
        statistics = dataset_statistics(read_dataset(data), settings) if data else None
        folds = read_folds(run, statistics) if statistics else None
        guards = Guards(fit_guards([*statistics.values()]) if statistics else record["guards"])
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{run} is not a finished run: {error}", fix="alledge train") from None
    if not guards.active:
        raise DataError(f"{run} has no guards: it was trained on too few images")
    smear_flags = [
        guards.flags({**image_statistics(*load_image(path, settings)), CAMERA: UNKNOWN_CAMERA})
        for path in (find_images([smears], recursive=True) if smears else ())
    ]
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "run": run.name,
        "model": record["model"],
        "false_alarms": evaluate_out_of_fold(statistics, folds) if statistics and folds else None,
        "between_cameras": evaluate_between_cameras(statistics) if statistics else None,
        "foreign": evaluate_non_smears(guards, settings, photographs),
        "smears": tally(smear_flags) if smears else None,
        "fields": (
            evaluate_changes(guards, settings, find_images([fields], recursive=True))
            if fields
            else None
        ),
    }


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="The data set of the run.")
@click.option(
    "--smears", type=click.Path(path_type=Path), help="A folder of smears from another microscope."
)
@click.option(
    "--fields",
    type=click.Path(path_type=Path),
    help="A folder of fields of the run's microscopes that it was not trained on.",
)
@click.option(
    "--photographs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Another folder of images that are no smear; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def main(
    run: Path,
    data: Path | None,
    smears: Path | None,
    fields: Path | None,
    photographs: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Print how often the guards of a run raise each flag."""
    evaluation = evaluate(run, data, smears, photographs, fields)
    click.echo(json.dumps(evaluation, indent=2) if as_json else format_table(evaluation))


if __name__ == "__main__":
    main()
