"""Compares passes of the benchmark suite with the stored baseline of a comparable machine.

``python -m alledge.benchmarks.internal.baseline_comparison PASS.json...`` (`make bench-compare`).
Every time is divided by the time of a calibration loop that ran beside it. So a machine that is
slow today does not look like a regression.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean, mean
from typing import TypedDict

import click
import numpy as np

from ...errors import DataError
from ...runtime.files import write_json
from ...runtime.json_documents import read_json
from ..machine_identity import IDENTITY_KEYS, comparison_key, differences
from ..measuring.machine_noise import is_noisy
from ..statistics import CONFIDENCE
from ..types import Machine

SCHEMA, SCHEMA_VERSION = "alledge/suite-baseline", 1
BASELINES = Path(__file__).parents[1] / "suite"
MIN_REGRESSION = 1.10  # a smaller slowdown is not reported, even if it is significant
MACHINE, NOISE = "alledge_machine", "noise"  # what the suite adds to pytest-benchmark's JSON


class BaselineTimes(TypedDict):
    """One benchmark in a baseline."""

    ratios: list[float]  # to the calibration loop, one for each undisturbed pass
    median_ms: float


class Baseline(TypedDict):
    """The document that is committed for one machine."""

    schema: str
    schema_version: int
    machine: Machine
    benchmarks: dict[str, BaselineTimes]


@dataclass(frozen=True)
class Passes:
    """Some passes of the suite on one machine.

    Parameters
    ----------
    machine : dict
    ratios : dict of str to list of float
        Median time of each benchmark divided by the calibration loop's. One for each pass that
        other programs did not disturb, because the loop runs on one core only.
    median_ms : dict of str to float
        Mean over the passes.
    """

    machine: Machine
    ratios: dict[str, list[float]]
    median_ms: dict[str, float]


@dataclass(frozen=True)
class Slowdown:
    """How much slower a benchmark is than its baseline.

    Parameters
    ----------
    ratio : float
        1 means equally fast.
    low, high : float
        95 % interval. Unknown (0 to infinity) if both sides have one pass.
    """

    ratio: float
    low: float
    high: float

    @property
    def is_regression(self) -> bool:
        """Whether the slowdown is both significant and large enough to report."""
        return self.low > 1 and self.ratio > MIN_REGRESSION


def read_passes(paths: Sequence[Path]) -> Passes:
    """Read what ``pytest benchmarks/suite --benchmark-json`` wrote.

    Parameters
    ----------
    paths : sequence of Path
        One file for each pass.

    Raises
    ------
    DataError
        If a file is not from this suite.
    """
    machine: Machine | None = None
    ratios: dict[str, list[float]] = {}
    times: dict[str, list[float]] = {}
    for path in paths:
        try:
            document = read_json(path, error=DataError)
            machine = document[MACHINE]
            for row in document["benchmarks"]:
                median_ms = row["stats"]["median"] * 1000
                noise = row["extra_info"][NOISE]
                undisturbed = ratios.setdefault(row["name"], [])
                if not is_noisy(noise):
                    undisturbed.append(median_ms / noise["calibration_ms"])
                times.setdefault(row["name"], []).append(median_ms)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path} is not what this suite writes: {type(error).__name__}: {error}",
                fix="make bench-compare",
            ) from None
    if machine is None:
        raise DataError("no pass of the suite was named", fix="make bench-compare")
    return Passes(machine, ratios, {name: mean(values) for name, values in times.items()})


def build_baseline(passes: Passes) -> Baseline:
    """Return the document that is committed as a baseline.

    Raises
    ------
    DataError
        If other programs disturbed a benchmark in every pass.
    """
    if disturbed := sorted(name for name, ratios in passes.ratios.items() if not ratios):
        raise DataError(
            f"other programs used the CPU in every pass of {', '.join(disturbed)}",
            fix="make bench-compare ARGS=--save on a quiet machine",
        )
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "machine": {key: passes.machine.get(key) for key in IDENTITY_KEYS},
        "benchmarks": {
            name: {
                "ratios": [round(ratio, 4) for ratio in ratios],
                "median_ms": round(passes.median_ms[name], 4),
            }
            for name, ratios in sorted(passes.ratios.items())
        },
    }


def measure_slowdown(now: Sequence[float], before: Sequence[float]) -> Slowdown:
    """Compare a benchmark with its baseline.

    The interval is Student's with pooled variance, on the logarithms.

    Parameters
    ----------
    now, before : sequence of float
        Ratios to the calibration loop, one for each pass.
    """
    ratio = geometric_mean(now) / geometric_mean(before)
    if len(now) + len(before) < 3:
        return Slowdown(ratio, 0.0, math.inf)
    from scipy.stats import ttest_ind

    interval = ttest_ind(np.log(now), np.log(before)).confidence_interval(CONFIDENCE)
    return Slowdown(ratio, math.exp(interval.low), math.exp(interval.high))


def find_baseline(machine: Machine, folder: Path = BASELINES) -> tuple[Baseline | None, list[str]]:
    """Find the baseline of a comparable machine.

    Returns
    -------
    baseline : Baseline or None
    differences : list of str
        If there is none: what makes each known machine incomparable.
    """
    incomparable = []
    for path in sorted(folder.glob("baseline-*.json")):
        baseline: Baseline = read_json(path, error=DataError)
        if comparison_key(baseline["machine"]) == comparison_key(machine):
            return baseline, []
        reasons = differences(machine, baseline["machine"])[:3]
        incomparable.append(f"{path.name}: {'; '.join(reasons)}")
    return None, incomparable


def compare(passes: Passes, baseline: Baseline) -> tuple[list[str], list[str]]:
    """Compare all benchmarks with a baseline.

    Returns
    -------
    lines : list of str
        One message for each benchmark.
    regressions : list of str
        The names of the benchmarks that became slower.
    """
    lines, regressions = [], []
    known = baseline["benchmarks"]
    for name, ratios in sorted(passes.ratios.items()):
        time = f"{name}  {passes.median_ms[name]:.2f} ms"
        if name not in known:
            lines.append(f"new        {time}")
        elif not ratios:
            lines.append(f"disturbed  {time}: other programs used the CPU")
        else:
            slowdown = measure_slowdown(ratios, known[name]["ratios"])
            word = "REGRESSION" if slowdown.is_regression else "ok"
            regressions += [name] if slowdown.is_regression else []
            lines.append(
                f"{word:10} {time}, {slowdown.ratio:.2f} × the baseline "
                f"({slowdown.low:.2f}–{slowdown.high:.2f})"
            )
    lines += [f"missing    {name}" for name in sorted(set(known) - set(passes.ratios))]
    return lines, regressions


def baseline_path(machine: Machine, folder: Path) -> Path:
    """Return the file of a machine's baseline, named after processor, system and Python."""
    slug = re.sub(r"[^a-z0-9]+", "-", f"{machine.get('cpu')} {machine.get('os')}".lower())
    python = ".".join(str(machine.get("python")).split(".")[:2])
    return folder / f"baseline-{slug.strip('-')}-python{python}.json"


@click.command()
@click.argument(
    "files", metavar="PASS...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--save", is_flag=True, help="Write the baseline of this machine instead.")
@click.option(
    "--lenient",
    is_flag=True,
    help="Name regressions, but exit with 0: a single pass cannot tell them from noise.",
)
@click.option("--baselines", type=click.Path(path_type=Path), default=BASELINES, hidden=True)
def main(files: tuple[Path, ...], save: bool, lenient: bool, baselines: Path) -> None:
    """Compare passes of the suite with the baseline of a comparable machine.

    The exit code is 1 if a benchmark became slower beyond the noise. It is 0 with --lenient, and
    on a machine that has no baseline.
    """
    try:
        passes = read_passes(files)
        if save:
            path = baseline_path(passes.machine, baselines)
            write_json(path, build_baseline(passes))
            click.echo(f"wrote {path}")
            return
    except DataError as error:
        raise click.ClickException(str(error)) from None
    baseline, incomparable = find_baseline(passes.machine, baselines)
    if baseline is None:
        click.echo("there is no baseline of a comparable machine: nothing is compared")
        for line in incomparable:
            click.echo(f"  {line}")
        return
    lines, regressions = compare(passes, baseline)
    click.echo("\n".join(lines))
    if regressions:
        click.echo(f"slower beyond the noise: {', '.join(regressions)}", err=True)
        if lenient:
            click.echo("make bench-compare measures again, in three passes", err=True)
        else:
            click.get_current_context().exit(1)


if __name__ == "__main__":
    main()
