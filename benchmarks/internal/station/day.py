"""A day of ``alledge watch``: a file every few milliseconds; memory, handles, size of the history.

``python -m alledge.benchmarks.internal.station.day BUNDLE --files 20000 --every-ms 100`` takes
33 minutes.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import click
import psutil

from .processes import Place, audit, picture, results, wait_for_results

SAMPLES = 20


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option("--files", type=click.IntRange(1, 1_000_000), default=20_000, show_default=True)
@click.option("--every-ms", type=click.FloatRange(1, 60_000), default=100.0, show_default=True)
@click.option("--keep", type=click.IntRange(1), default=2000, show_default=True,
              help="Files that stay in the folder; older ones are removed.")  # fmt: skip
def main(bundle: Path, files: int, every_ms: float, keep: int) -> None:
    """Print one JSON line for each twentieth of the files, and one for the end."""
    with tempfile.TemporaryDirectory(prefix="alledge-day-") as folder:
        place = Place.below(Path(folder), bundle)
        with place.watching() as process:
            watched, started = psutil.Process(process.pid), time.monotonic()
            for number in range(files):
                if process.poll() is not None:
                    raise click.ClickException(f"alledge watch ended: {process.communicate()[1]}")
                path = place.camera / f"{number:06d}.jpg"
                path.write_bytes(picture(number, (320, 240), "JPEG"))
                if number >= keep:
                    if number % keep == 0:  # a file is removed only when it has its result
                        wait_for_results(place, number)
                    (place.camera / f"{number - keep:06d}.jpg").unlink()
                if number % max(1, files // SAMPLES) == 0:
                    click.echo(json.dumps(sample(place, watched, number)))
                delay_s = started + (number + 1) * every_ms / 1000 - time.monotonic()
                time.sleep(max(0.0, delay_s))
            wait_for_results(place, files, 3600)
            last = sample(place, watched, files)
        found = audit("day", place)
        is_good = found.is_good and found.results == files
        click.echo(json.dumps({**last, "lost": files - found.results, "double": found.double,
                               "problems": found.problems}))  # fmt: skip
    if not is_good:
        raise click.exceptions.Exit(1)


def sample(place: Place, process: psutil.Process, files: int) -> dict[str, object]:
    """Return memory, handles and sizes of this moment."""
    return {
        "files": files,
        "results": results(place),
        "memory_mib": round(process.memory_info().rss / 2**20, 1),
        "handles": process.num_fds() if hasattr(process, "num_fds") else process.num_handles(),
        "threads": process.num_threads(),
        "history_mib": round(sum(path.stat().st_size for path in place.home.glob("*")) / 2**20, 1),
    }


if __name__ == "__main__":
    main()
