"""Evaluates the guards of a run: false alarms, other cameras, other smears, and non-smear images.

``python -m alledge.benchmarks.internal.guard_evaluation RUN [--data D] [--smears DIR] [--json]``.
A part is skipped if its data is not named. Images that are no smear are drawn, and taken from
installed packages.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

import click

from ...errors import DataError
from ...runtime.csv_cells import read_csv
from ...runtime.data.datasets import Dataset, read_dataset
from ...runtime.data.inputs import find_images
from ...runtime.guards.fitting import MIN_IMAGES, fit_guards
from ...runtime.guards.guards import Guards
from ...runtime.guards.image_statistics import CAMERA, image_statistics
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import UNKNOWN_CAMERA, load_image
from ...runtime.metrics.intervals import wilson
from ...runtime.types import Statistics
from .non_smear_images import drawn_images, is_untouched, sample_photographs

SCHEMA, SCHEMA_VERSION = "alledge/guards", 1
MAX_FALSE_ALARMS, MIN_CATCHES = 0.05, 0.95
NAMES = ("blurred", "exposure", "off_domain", "unfamiliar_microscope")
ANY = "any"

Flags = Sequence[str]


class FlagShare(TypedDict):
    """On how many images a flag was raised, and Wilson's 95 % interval of the share."""

    count: int
    share: float
    low: float
    high: float


class Tally(TypedDict):
    """How often each flag, and any flag, was raised on some images."""

    images: int
    flags: dict[str, FlagShare]


class OutOfFoldTally(Tally):
    """False alarms: the guards of each fold were fitted on the other folds."""

    folds: int


class CameraPair(TypedDict):
    """Guards fitted on one camera, applied to the images of another."""

    fitted_on: str
    asked: str
    named: Tally
    nameless: Tally  # with the camera's name removed


class HalfTally(Tally):
    """One half of the non-smear images, and the same for each source."""

    kinds: dict[str, Tally]


class Evaluation(TypedDict):
    """The document that ``--json`` prints. None means that no data was named."""

    schema: str
    schema_version: int
    run: str
    model: str
    false_alarms: OutOfFoldTally | None
    between_cameras: list[CameraPair] | None
    foreign: dict[str, HalfTally]
    smears: Tally | None


def tally(flags: Sequence[Flags]) -> Tally:
    """Count on how many images each flag was raised.

    Parameters
    ----------
    flags : sequence of tuple of str
        What `Guards.flags` returned for each image.
    """
    counts = {name: sum(name in raised for raised in flags) for name in NAMES}
    counts[ANY] = sum(map(bool, flags))
    shares: dict[str, FlagShare] = {}
    for name, count in counts.items():
        low, high = wilson(count, len(flags))
        share = count / len(flags) if flags else 0.0
        shares[name] = {"count": count, "share": share, "low": low, "high": high}
    return {"images": len(flags), "flags": shares}


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
    run: Path, data: Path | None, smears: Path | None, photographs: Sequence[Path]
) -> Evaluation:
    """Evaluate the guards of a run on the data that was named.

    Raises
    ------
    DataError
        If the run is not finished, has no guards, or was trained on another data set.
    """
    try:
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        settings, guards = ImageSettings.from_json(record["image_path"]), Guards(record["guards"])
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{run} is not a finished run: {error}", fix="alledge train") from None
    if not guards.active:
        raise DataError(f"{run} has no guards: it was trained on too few images")
    statistics = dataset_statistics(read_dataset(data), settings) if data else None
    smear_flags = [
        guards.flags({**image_statistics(*load_image(path, settings)), CAMERA: UNKNOWN_CAMERA})
        for path in (find_images([smears], recursive=True) if smears else ())
    ]
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "run": run.name,
        "model": record["model"],
        "false_alarms": (
            evaluate_out_of_fold(statistics, read_folds(run, statistics)) if statistics else None
        ),
        "between_cameras": evaluate_between_cameras(statistics) if statistics else None,
        "foreign": evaluate_non_smears(guards, settings, photographs),
        "smears": tally(smear_flags) if smears else None,
    }


def format_table(evaluation: Evaluation) -> str:
    """Return the evaluation as a text table, followed by the verdicts."""
    rows: list[tuple[str, ...]] = [("", "images", *NAMES, ANY, "95 % interval of any")]
    if alarms := evaluation["false_alarms"]:
        rows.append(_row(f"false alarms, {alarms['folds']} folds", alarms))
    for pair in evaluation["between_cameras"] or ():
        label = f"{pair['asked']}, fitted on {pair['fitted_on']}"
        rows += [_row(label, pair["named"]), _row("… EXIF ignored", pair["nameless"])]
    if evaluation["smears"]:
        rows.append(_row("smears named", evaluation["smears"]))
    for name, half in evaluation["foreign"].items():
        rows.append(_row(f"no smear, {name.replace('_', ' ')}", half))
        rows += [_row(f"  {source}", counts) for source, counts in half["kinds"].items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for label, *cells in rows:
        numbers = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([label.ljust(widths[0]), *numbers]).rstrip())
    return "\n".join([*lines, *_verdicts(evaluation)])


def _row(label: str, counts: Tally) -> tuple[str, ...]:
    flags = counts["flags"]
    numbers = (str(flags[name]["count"]) for name in (*NAMES, ANY))
    interval = f"{flags[ANY]['low']:.1%} to {flags[ANY]['high']:.1%}"
    return label, str(counts["images"]), *numbers, interval


def _verdicts(evaluation: Evaluation) -> list[str]:
    caught = evaluation["foreign"]["untouched"]["flags"][ANY]["share"]
    verdict = "kept" if caught >= MIN_CATCHES else "MISSED"
    lines = [
        f"caught of the untouched half: {caught:.1%}, wanted at least {MIN_CATCHES:.0%}: {verdict}"
    ]
    if alarms := evaluation["false_alarms"]:
        share = alarms["flags"][ANY]["share"]
        verdict = "kept" if share <= MAX_FALSE_ALARMS else "MISSED"
        lines.append(f"false alarms: {share:.1%}, wanted at most {MAX_FALSE_ALARMS:.0%}: {verdict}")
    return lines


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="The data set of the run.")
@click.option(
    "--smears", type=click.Path(path_type=Path), help="A folder of smears from another microscope."
)
@click.option(
    "--photographs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Another folder of images that are no smear; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def main(
    run: Path, data: Path | None, smears: Path | None, photographs: tuple[Path, ...], as_json: bool
) -> None:
    """Print how often the guards of a run raise each flag."""
    evaluation = evaluate(run, data, smears, photographs)
    click.echo(json.dumps(evaluation, indent=2) if as_json else format_table(evaluation))


if __name__ == "__main__":
    main()
