"""Whether anything got slower: the suite's passes against the baseline of a like machine.

``python -m alledge.benchmarks.internal.baseline_comparison PASS.json...`` (`make bench-compare`).
Every figure is a ratio to a calibration loop run beside it in the same session: a slow machine is
no regression.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import click

from ...errors import DataError
from ...runtime.files import write_json
from ..machine_identity import LIKE, comparison_key, differences
from ..measuring.machine_noise import is_noisy
from ..statistics import STUDENT

Json = dict[str, Any]
Ratios = dict[str, list[float]]

SCHEMA, SCHEMA_VERSION = "alledge/suite-baseline", 1
BASELINES = Path(__file__).parents[1] / "suite"
SLOWER = 1.10  # what is slower by less is not worth a person's time, however sure it is
MACHINE, NOISE = "alledge_machine", "noise"  # what the suite adds to its JSON


def read_passes(paths: Sequence[Path]) -> tuple[Json, Ratios, dict[str, float]]:
    """Return the machine, each benchmark's ratios to the calibration loop, and its median in ms.

    A pass in which other programs took CPU time gives no ratio: the loop cannot answer for that.

    Parameters
    ----------
    paths : sequence of Path
        What ``pytest benchmarks/suite --benchmark-json`` wrote, one a pass.

    Raises
    ------
    DataError
        If a file is not of this suite.
    """
    machine: Json | None = None
    ratios: Ratios = {}
    times: dict[str, list[float]] = {}
    for path in paths:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            machine = document[MACHINE]
            for row in document["benchmarks"]:
                median_ms = row["stats"]["median"] * 1000
                noise = row["extra_info"][NOISE]
                quiet = ratios.setdefault(row["name"], [])
                if not is_noisy(noise):
                    quiet.append(median_ms / noise["calibration_ms"])
                times.setdefault(row["name"], []).append(median_ms)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path} is not what this suite writes: {type(error).__name__}: {error}",
                fix="make bench-compare",
            ) from None
    if machine is None:
        raise DataError("no pass of the suite was named", fix="make bench-compare")
    return machine, ratios, {name: mean(values) for name, values in times.items()}


def baseline_of(machine: Json, ratios: Ratios, times: dict[str, float]) -> Json:
    """Return the document that is committed as a baseline."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "machine": {key: machine.get(key) for key in LIKE},
        "benchmarks": {
            name: {
                "ratios": [round(value, 4) for value in values],
                "median_ms": round(times[name], 4),
            }
            for name, values in sorted(ratios.items())
            if values
        },
    }


def verdict(now: Sequence[float], before: Sequence[float]) -> Json:
    """Return how much slower a benchmark is than its baseline.

    Parameters
    ----------
    now, before : sequence of float
        Ratios to the calibration loop, one a pass.

    Returns
    -------
    dict
        ``ratio``, and the ends of its 95 % interval, ``low`` and ``high``: Student's with pooled
        variance, on logarithms; unknown (0 to infinite) where both were run once.
        ``regression`` where even the low end is above 1 and the ratio above `SLOWER`.
    """
    a, b = [math.log(value) for value in now], [math.log(value) for value in before]
    difference, free = mean(a) - mean(b), len(a) + len(b) - 2
    if free < 1:
        return {"ratio": math.exp(difference), "low": 0.0, "high": math.inf, "regression": False}
    squares = sum((value - mean(part)) ** 2 for part in (a, b) for value in part)
    t = STUDENT[min(free, len(STUDENT)) - 1]
    half = t * math.sqrt(squares / free * (1 / len(a) + 1 / len(b)))
    low = math.exp(difference - half)
    return {
        "ratio": math.exp(difference),
        "low": low,
        "high": math.exp(difference + half),
        "regression": low > 1 and math.exp(difference) > SLOWER,
    }


def find_baseline(machine: Json, folder: Path = BASELINES) -> tuple[Json | None, list[str]]:
    """Return the baseline of a like machine, or what makes the known ones unlike, in words."""
    unlike = []
    for path in sorted(folder.glob("baseline-*.json")):
        document: Json = json.loads(path.read_text(encoding="utf-8"))
        if comparison_key(document["machine"]) == comparison_key(machine):
            return document, []
        unlike.append(f"{path.name}: {'; '.join(differences(machine, document['machine'])[:3])}")
    return None, unlike


def compare(ratios: Ratios, times: dict[str, float], baseline: Json) -> tuple[list[str], list[str]]:
    """Return a line for each benchmark, and the names of those that got slower."""
    lines, slower = [], []
    known = baseline["benchmarks"]
    for name, values in sorted(ratios.items()):
        if name not in known:
            lines.append(f"new        {name}  {times[name]:.2f} ms")
            continue
        if not values:
            lines.append(f"disturbed  {name}  {times[name]:.2f} ms: other programs were at work")
            continue
        found = verdict(values, known[name]["ratios"])
        word = "REGRESSION" if found["regression"] else "ok"
        slower += [name] if found["regression"] else []
        lines.append(
            f"{word:10} {name}  {times[name]:.2f} ms, {found['ratio']:.2f} × the baseline "
            f"({found['low']:.2f}–{found['high']:.2f})"
        )
    lines += [f"missing    {name}" for name in sorted(set(known) - set(ratios))]
    return lines, slower


@click.command()
@click.argument("passes", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--save", is_flag=True, help="Write the baseline of this machine instead.")
@click.option(
    "--lenient",
    is_flag=True,
    help="Name what got slower and pass: a single pass cannot tell it from noise.",
)
@click.option("--baselines", type=click.Path(path_type=Path), default=BASELINES, hidden=True)
def main(passes: tuple[Path, ...], save: bool, lenient: bool, baselines: Path) -> None:
    """Compare passes of the suite with the baseline of a like machine.

    Exit code 1 if something is slower beyond the noise; 0 with --lenient, and on a machine that has
    no baseline.
    """
    try:
        machine, ratios, times = read_passes(passes)
    except DataError as error:
        raise click.ClickException(str(error)) from None
    if save:
        slug = re.sub(r"[^a-z0-9]+", "-", f"{machine.get('cpu')} {machine.get('os')}".lower())
        python = ".".join(str(machine.get("python")).split(".")[:2])
        place = baselines / f"baseline-{slug.strip('-')}-python{python}.json"
        write_json(place, baseline_of(machine, ratios, times))
        click.echo(f"wrote {place}")
        return
    baseline, unlike = find_baseline(machine, baselines)
    if baseline is None:
        click.echo("no baseline was measured on a machine like this one: nothing is compared")
        for line in unlike:
            click.echo(f"  {line}")
        return
    lines, slower = compare(ratios, times, baseline)
    click.echo("\n".join(lines))
    if slower:
        click.echo(f"slower beyond the noise: {', '.join(slower)}", err=True)
        if lenient:
            click.echo("make bench-compare measures again, in three passes", err=True)
        else:
            click.get_current_context().exit(1)


if __name__ == "__main__":
    main()
