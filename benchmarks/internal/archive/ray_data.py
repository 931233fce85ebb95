"""Classifies fields with a Ray Data pipeline, beside the workers of ``alledge archive --ray``.

``python -m alledge.benchmarks.internal.archive.ray_data BUNDLE FOLDER --workers 2`` prints the
seconds of one command of each kind, in turn. With ``--fatal-field`` one more field ends the process
that reads it, as a fault in an image library can; a pipeline that has no result for the others
after ``--limit`` seconds is stopped.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from pyarrow import parquet

from ....runtime.archive.model import Model, open_model
from ....runtime.archive.on_ray.worker import Job, pack
from ....runtime.archive.options import ArchiveOptions
from ....runtime.archive.sources.entries import Entry
from .pipelines import FATAL, WAYS, run
from .processes import pictures


def timed(way: str, job: Job, entries: list[Entry], workers: int, limit: float) -> dict[str, Any]:
    """Return the seconds of a way in a process of its own, and the rows it wrote."""
    with tempfile.TemporaryDirectory(prefix="alledge-ray-data-") as out:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=run, args=(way, job, entries, workers, out))
        before = time.perf_counter()
        process.start()
        process.join(limit)
        seconds = time.perf_counter() - before
        is_finished = process.exitcode is not None
        process.kill()
        process.join()
        rows = sum(parquet.read_metadata(path).num_rows for path in Path(out).iterdir())
    return {"way": way, "seconds": round(seconds, 1), "finished": is_finished, "rows": rows}


def job_of(model: Model) -> Job:
    """Return what every worker gets."""
    return Job(
        bundles=tuple(pack(bundle.path) for bundle in model.bundles), backend=model.backend,
        profile=None, identity=model.identity, threads=1, timeout_s=60.0, taken_as="auto",
        folders=(),
    )  # fmt: skip


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True)
@click.option("--limit", type=click.FloatRange(1), default=1800.0, show_default=True)
@click.option("--fatal-field", is_flag=True, help="Add a field that ends the process.")
def main(
    bundle: Path, folder: Path, workers: int, rounds: int, limit: float, fatal_field: bool
) -> None:
    """Print a line for each command."""
    options = ArchiveOptions(sources=(str(folder),), out="-", bundles=(str(bundle),))
    entries = [
        Entry(str(path), path.stat().st_size, path.stat().st_mtime_ns // 1000)
        for path in map(Path.absolute, pictures(folder))
    ]
    if fatal_field:
        entries.insert(len(entries) // 2, Entry(str(folder / FATAL), 1, 0))
    job = job_of(open_model(options))
    for _ in range(rounds):
        for way in WAYS:
            row = {"fields": len(entries), "workers": workers}
            click.echo(json.dumps({**row, **timed(way, job, entries, workers, limit)}))


if __name__ == "__main__":
    main()
