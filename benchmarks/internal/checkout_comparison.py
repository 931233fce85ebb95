"""Compares two checkouts of alledge on this machine: cold start, peak memory and throughput.

``python -m alledge.benchmarks.internal.checkout_comparison OTHER BUNDLE IMAGE...``. OTHER is the
folder ``alledge`` of the other checkout. Both run with the same interpreter and packages, in turn.
They share only the command ``alledge classify``, so checkouts of any age can be compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click

from ...runtime.backends import installed_backends
from ...runtime.bundle.bundle import Bundle
from ...runtime.machine import usable_cores
from ..statistics import ratio_interval
from .cold_start import classify_command
from .paired_measurement import ENVIRONMENT, alternate, run_timed

ROUNDS = 15
TIMEOUT_S, ATTEMPTS = 120.0, 5
IMAGES = 200  # the images are repeated until there are this many
THIS = Path(__file__).resolve().parents[2]


def checkout_environment(checkout: Path) -> dict[str, str]:
    """Return the environment in which ``import alledge`` takes a checkout.

    Raises
    ------
    click.ClickException
        If the interpreter imports another alledge in this environment.
    """
    environment = {**ENVIRONMENT, "PYTHONPATH": str(checkout.parent)}
    command = [sys.executable, "-c", "import alledge; print(alledge.__file__)"]
    process = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
    imported = process.stdout.strip()
    if not imported or Path(imported).resolve() != (checkout / "__init__.py").resolve():
        raise click.ClickException(
            f"for the checkout {checkout} Python imports {imported or 'no alledge'}\n"
            "fix: name the folder 'alledge' of a checkout, and work in a folder that holds no "
            "'alledge' folder, because Python imports that first"
        )
    return environment


def images_per_second(
    command: list[str], skipped: int, environment: Mapping[str, str], timeout_s: float = TIMEOUT_S
) -> float:
    """Run ``alledge classify`` and return the rate of its answers.

    A run that exceeds the time limit is repeated, because older checkouts may hang.

    Parameters
    ----------
    command : list of str
    skipped : int
        The first answers are not counted: they include the start of the process.
    environment : mapping of str to str
    timeout_s : float

    Raises
    ------
    click.ClickException
        If the process fails, or exceeds the time limit in every attempt.
    """
    for _ in range(ATTEMPTS):
        times, hung = [], threading.Event()
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            watchdog = threading.Timer(timeout_s, _kill, (process, hung))
            watchdog.start()
            assert process.stdout is not None
            for _line in process.stdout:
                times.append(time.perf_counter())
            watchdog.cancel()
        if not hung.is_set():
            break
        checkout = environment["PYTHONPATH"]
        click.echo(f"{checkout}: no end within {timeout_s:g} s, measured again", err=True)
    if process.returncode:
        raise click.ClickException(f"exit code {process.returncode}: {' '.join(command[:6])} …")
    return (len(times) - 1 - skipped) / (times[-1] - times[skipped])


def _kill(process: subprocess.Popen[bytes], hung: threading.Event) -> None:
    hung.set()
    process.kill()


def summarize(measure: str, this: list[float], other: list[float]) -> dict[str, Any]:
    """Return the line that is printed: the medians, and the paired ratio of this to other."""
    ratio = ratio_interval(this, other)
    return {
        "measure": measure,
        "this": round(median(this), 2),
        "other": round(median(other), 2),
        "ratio": round(ratio["ratio"], 4),
        "low": round(ratio["low"], 4),
        "high": round(ratio["high"], 4),
        "rounds": ratio["rounds"],
    }


@click.command()
@click.argument("other", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True))
@click.option(
    "--other-bundle",
    type=click.Path(path_type=Path, exists=True),
    help="The same model for the other checkout, where it cannot open BUNDLE.",
)
@click.option("--backend", multiple=True, help="Measure only this backend; may be repeated.")
@click.option("--threads", type=click.IntRange(1), default=usable_cores(), show_default=True)
@click.option("--rounds", type=click.IntRange(2), default=ROUNDS, show_default=True)
@click.option(
    "--count",
    type=click.IntRange(20),
    default=IMAGES,
    show_default=True,
    help="Images of a throughput round.",
)
def main(
    other: Path,
    bundle: Path,
    images: tuple[str, ...],
    other_bundle: Path | None,
    backend: tuple[str, ...],
    threads: int,
    rounds: int,
    count: int,
) -> None:
    """Print three JSON lines for each backend: cold start, peak memory, throughput.

    A ratio is this checkout over the OTHER one.
    """
    this_environment = checkout_environment(THIS)
    other_environment = checkout_environment(other.absolute())
    repeated = [images[number % len(images)] for number in range(count)]
    formats = Bundle.open(bundle).formats
    for name in backend or [name for name in installed_backends() if name in formats]:
        one, many = (
            [
                classify_command(sys.executable, path, name, threads, *sources)
                for path in (bundle, other_bundle or bundle)
            ]
            for sources in (images[:1], repeated)
        )
        skipped = min(2 * threads, count // 2)
        environments = (this_environment, other_environment)
        for command, environment in zip(one, environments, strict=True):  # fills the caches
            run_timed(command, environment)
        starts = alternate(
            partial(run_timed, one[0], this_environment),
            partial(run_timed, one[1], other_environment),
            rounds,
        )
        rates = alternate(
            partial(images_per_second, many[0], skipped, this_environment),
            partial(images_per_second, many[1], skipped, other_environment),
            rounds,
        )
        for line in (
            summarize("cold_start_ms", *([wall_ms for wall_ms, _ in side] for side in starts)),
            summarize("peak_mib", *([peak_mib for _, peak_mib in side] for side in starts)),
            summarize("images_per_s", *rates),
        ):
            click.echo(json.dumps({"backend": name, "threads": threads, **line}))


if __name__ == "__main__":
    main()
