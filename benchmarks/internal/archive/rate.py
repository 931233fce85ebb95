"""Compares ``alledge archive`` with ``alledge classify`` on the same files, in turn.

``python -m alledge.benchmarks.internal.archive.rate BUNDLE FOLDER --rounds 10``, and with
``--workers 1`` or ``2`` on Ray. The start of the processes is part of both; it is measured with one
file too, and a second ratio is without it.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from ..paired_measurement import alternate, run_timed
from .processes import ALLEDGE, archive_command, pictures, timed


def seconds_of_classify(bundle: Path, folder: Path, threads: int) -> float:
    """Return the wall time of `classify`."""
    words = ["classify", str(folder), "--bundle", str(bundle), "--json", "--recursive"]
    command = [*ALLEDGE, *words, "--threads", str(threads), "--mode", "throughput"]
    return run_timed(command)[0] / 1000


def command_of(bundle: Path, folder: Path, out: str, threads: int, workers: int) -> list[str]:
    """Return the command line of `archive`, without Ray for 0 workers."""
    words = ["--bundle", str(bundle), "--threads", str(workers or threads)]
    ray = ["--ray", "local"] if workers else []
    return archive_command(str(folder), out, *words, *ray)


def seconds_of_archive(
    bundle: Path, folder: Path, threads: int, workers: int, peaks: dict[str, float]
) -> float:
    """Return the wall time of `archive` into new results.

    `peaks` takes the largest unique memory in MiB of each kind of process.
    """
    with tempfile.TemporaryDirectory(prefix="alledge-rate-") as out:
        return timed(command_of(bundle, folder, out, threads, workers), peaks)


def medians(
    classify: Callable[[Path], float], archive: Callable[[Path], float], folder: Path, rounds: int
) -> tuple[float, float]:
    """Return the median seconds of both."""
    first, second = alternate(lambda: classify(folder), lambda: archive(folder), rounds)
    return statistics.median(first), statistics.median(second)


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--rounds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True, help="Of Ray.")
def main(bundle: Path, folder: Path, rounds: int, threads: int, workers: int) -> None:
    """Print the rate of `archive` relative to that of `classify`, with and without the start."""
    files = pictures(folder)
    peaks: dict[str, float] = {}

    def classify(place: Path) -> float:
        return seconds_of_classify(bundle, place, threads)

    def archive(place: Path) -> float:
        return seconds_of_archive(bundle, place, threads, workers, peaks)

    with tempfile.TemporaryDirectory(prefix="alledge-rate-") as one:
        (Path(one) / files[0].name).write_bytes(files[0].read_bytes())
        first = medians(classify, archive, Path(one), rounds)
    whole = medians(classify, archive, folder, rounds)
    later = [total - start for total, start in zip(whole, first, strict=True)]
    row = {
        "files": len(files), "rounds": rounds, "threads": threads, "workers": workers,
        "classify_s": round(whole[0], 3), "archive_s": round(whole[1], 3),
        "start_s": {"classify": round(first[0], 3), "archive": round(first[1], 3)},
        "rate_of_archive": round(whole[0] / whole[1], 3),
        "rate_without_start": round(later[0] / later[1], 3) if min(later) > 0 else None,
        "peak_uss_mib": peaks,
    }  # fmt: skip
    click.echo(json.dumps(row))


if __name__ == "__main__":
    main()
