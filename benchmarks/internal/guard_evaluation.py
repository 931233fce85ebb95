"""What the guards say: false alarms out of fold, foreign pictures, other cameras, other smears.

``python -m alledge.benchmarks.internal.guard_evaluation RUN [--data D] [--smears DIR] [--json]``.
Parts whose data is not named are left out; pictures of no smear are drawn and taken from the
packages that are here.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from ...errors import DataError
from ...runtime.data.datasets import Dataset, read_dataset
from ...runtime.data.inputs import find_images
from ...runtime.guards.guards import (
    CAMERA,
    MIN_IMAGES,
    Guards,
    Statistics,
    fit_guards,
    image_statistics,
)
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import UNKNOWN_CAMERA, load_image
from ...runtime.metrics.intervals import wilson
from .non_smear_images import drawn, installed, is_untouched

SCHEMA, SCHEMA_VERSION = "alledge/guards", 1
ALLOWED_ALARMS, WANTED_CATCHES = 0.05, 0.95
NAMES = ("blurred", "exposure", "off_domain", "unfamiliar_microscope")
ANY = "any"

Flags = Sequence[str]
Json = dict[str, Any]


def tally(flags: Sequence[Flags]) -> Json:
    """Return how many images each flag was raised on, and any, with Wilson's interval.

    Parameters
    ----------
    flags : sequence of tuple of str
        What `Guards.flags` returned for each image.
    """
    counts = {name: sum(name in found for found in flags) for name in NAMES}
    counts[ANY] = sum(map(bool, flags))
    rows = {}
    for name, count in counts.items():
        low, high = wilson(count, len(flags))
        share = count / len(flags) if flags else 0.0
        rows[name] = {"count": count, "share": share, "low": low, "high": high}
    return {"images": len(flags), "flags": rows}


def out_of_fold(statistics: dict[str, Statistics], folds: dict[str, str]) -> Json:
    """Return what guards fitted on the other folds say of each fold's images."""
    found: list[Flags] = []
    for fold in sorted(set(folds.values())):
        rest = [statistics[name] for name in statistics if folds[name] != fold]
        guards = Guards(fit_guards(rest))
        if not guards.active:
            raise DataError(
                f"without fold {fold} there are {len(rest)} images left",
                allowed=f"at least {MIN_IMAGES}: fewer do not say what is usual",
            )
        found += [guards.flags(statistics[n]) for n in statistics if folds[n] == fold]
    return {"folds": len(set(folds.values())), **tally(found)}


def between_cameras(statistics: dict[str, Statistics]) -> list[Json]:
    """Return what guards fitted on one camera say of another's fields, its name told and not."""
    by_camera: dict[str, list[Statistics]] = defaultdict(list)
    for row in statistics.values():
        by_camera[str(row[CAMERA])].append(row)
    rows = []
    for fitted, usual in sorted(by_camera.items()):
        guards = Guards(fit_guards(usual))
        for asked, others in sorted(by_camera.items()) if guards.active else ():
            if asked != fitted:
                nameless = [{**row, CAMERA: UNKNOWN_CAMERA} for row in others]
                rows.append(
                    {
                        "fitted_on": fitted,
                        "asked": asked,
                        "named": tally([guards.flags(row) for row in others]),
                        "nameless": tally([guards.flags(row) for row in nameless]),
                    }
                )
    return rows


def foreign(guards: Guards, settings: ImageSettings, folders: Iterable[Path]) -> Json:
    """Return what is said of pictures that are no smear: the half nothing was tuned on, by kind."""
    found: dict[bool, dict[str, list[Flags]]] = {True: defaultdict(list), False: defaultdict(list)}
    for source, picture in (*drawn(), *installed(*folders)):
        statistics = image_statistics(*load_image(picture, settings))
        found[is_untouched(source)][source].append(guards.flags(statistics))
    halves = {}
    for name, half in (("untouched", found[True]), ("tuned_on", found[False])):
        kinds = {source: tally(flags) for source, flags in sorted(half.items())}
        halves[name] = {**tally([row for rows in half.values() for row in rows]), "kinds": kinds}
    return halves


def measured(dataset: Dataset, settings: ImageSettings) -> dict[str, Statistics]:
    """Return the statistics of each image of a data set, by its path inside the set."""
    return {
        dataset.relative(sample): image_statistics(*load_image(sample.path, settings))
        for sample in dataset.samples
    }


def read_folds(run: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the fold of each image, as the run's ``split.csv`` has it.

    Raises
    ------
    DataError
        If the run was trained on another data set.
    """
    with (run / "split.csv").open(encoding="utf-8", newline="") as stream:
        folds = {row["image"]: row["fold"] for row in csv.DictReader(stream)}
    if missing := [name for name in names if name not in folds]:
        raise DataError(
            f"{run} has no fold for {len(missing)} images, the first of them {missing[0]}",
            fix="--data the set that the run was trained on",
        )
    return folds


def document(run: Path, data: Path | None, smears: Path | None, more: Sequence[Path]) -> Json:
    """Return everything that can be measured with the data named."""
    try:
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        settings, guards = ImageSettings.from_json(record["image_path"]), Guards(record["guards"])
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{run} is not a finished run: {error}", fix="alledge train") from None
    if not guards.active:
        raise DataError(f"{run} has no guards: it was trained on too few images")
    statistics = measured(read_dataset(data), settings) if data else None
    others = [
        guards.flags({**image_statistics(*load_image(path, settings)), CAMERA: UNKNOWN_CAMERA})
        for path in (find_images([smears], recursive=True) if smears else ())
    ]
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "run": run.name,
        "model": record["model"],
        "false_alarms": statistics and out_of_fold(statistics, read_folds(run, statistics)),
        "between_cameras": statistics and between_cameras(statistics),
        "foreign": foreign(guards, settings, more),
        "smears": tally(others) if smears else None,
    }


def page(found: Json) -> str:
    """Return the document as a table for a person."""
    rows: list[tuple[str, ...]] = [("", "images", *NAMES, ANY, "95 % interval of any")]
    if alarms := found["false_alarms"]:
        rows.append(_row(f"false alarms, {alarms['folds']} folds", alarms))
    for row in found["between_cameras"] or ():
        label = f"{row['asked']}, fitted on {row['fitted_on']}"
        rows += [_row(label, row["named"]), _row("… EXIF ignored", row["nameless"])]
    if found["smears"]:
        rows.append(_row("smears named", found["smears"]))
    for name, half in found["foreign"].items():
        rows.append(_row(f"no smear, {name.replace('_', ' ')}", half))
        rows += [_row(f"  {source}", kind) for source, kind in half["kinds"].items()]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, *_verdicts(found)])


def _row(label: str, found: Json) -> tuple[str, ...]:
    flags = found["flags"]
    low, high = flags[ANY]["low"], flags[ANY]["high"]
    counts = (str(flags[name]["count"]) for name in (*NAMES, ANY))
    return label, str(found["images"]), *counts, f"{low:.1%} to {high:.1%}"


def _verdicts(found: Json) -> list[str]:
    caught = found["foreign"]["untouched"]["flags"][ANY]["share"]
    lines = [_verdict("caught of the untouched half", caught, caught >= WANTED_CATCHES, "at least")]
    if alarms := found["false_alarms"]:
        share = alarms["flags"][ANY]["share"]
        lines.append(_verdict("false alarms", share, share <= ALLOWED_ALARMS, "at most"))
    return lines


def _verdict(what: str, share: float, kept: bool, bound: str) -> str:
    target = WANTED_CATCHES if bound == "at least" else ALLOWED_ALARMS
    return f"{what}: {share:.1%}, wanted {bound} {target:.0%}: {'kept' if kept else 'MISSED'}"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="The set it was trained on.")
@click.option("--smears", type=click.Path(path_type=Path), help="Smears of another microscope.")
@click.option(
    "--photographs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A further folder of pictures that are no smear; may be given again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def main(
    run: Path, data: Path | None, smears: Path | None, photographs: tuple[Path, ...], as_json: bool
) -> None:
    """Print what the guards of a run say."""
    found = document(run, data, smears, photographs)
    print(json.dumps(found, indent=2) if as_json else page(found))


if __name__ == "__main__":
    main()
