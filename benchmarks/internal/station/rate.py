"""Compares ``alledge watch --once`` with ``alledge classify`` on the same files, in turn.

``python -m alledge.benchmarks.internal.station.rate BUNDLE FOLDER --rounds 10``. The start of the
process is part of both, so the ratio depends on the number of files. It is measured with one file
too, and a second ratio is without it.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

import click

from ..paired_measurement import alternate, run_timed
from .processes import ALLEDGE


def seconds_of(command: str, bundle: Path, folder: Path) -> float:
    """Return the wall time of a process that classifies a folder."""
    with tempfile.TemporaryDirectory(prefix="alledge-rate-") as home:
        words = [*ALLEDGE, command, str(folder), "--bundle", str(bundle), "--json"]
        if command == "watch":
            words += ["--once", "--settle", "0", "--home", home]
        return run_timed(words)[0] / 1000


def medians(bundle: Path, folder: Path, rounds: int) -> tuple[float, float]:
    """Return the median seconds of `classify` and of `watch`."""
    classify, watch = alternate(
        lambda: seconds_of("classify", bundle, folder),
        lambda: seconds_of("watch", bundle, folder),
        rounds,
    )
    return statistics.median(classify), statistics.median(watch)


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--rounds", type=click.IntRange(1), default=10, show_default=True)
def main(bundle: Path, folder: Path, rounds: int) -> None:
    """Print the rate of `watch` relative to that of `classify`, with and without the start."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    with tempfile.TemporaryDirectory(prefix="alledge-rate-") as one:
        (Path(one) / files[0].name).write_bytes(files[0].read_bytes())
        first = medians(bundle, Path(one), rounds)
    whole = medians(bundle, folder, rounds)
    later = [total - start for total, start in zip(whole, first, strict=True)]
    row = {
        "files": len(files), "rounds": rounds,
        "classify_s": round(whole[0], 3), "watch_s": round(whole[1], 3),
        "start_s": {"classify": round(first[0], 3), "watch": round(first[1], 3)},
        "rate_of_watch": round(whole[0] / whole[1], 3),
        "rate_without_start": round(later[0] / later[1], 3) if min(later) > 0 else None,
    }  # fmt: skip
    click.echo(json.dumps(row))


if __name__ == "__main__":
    main()
