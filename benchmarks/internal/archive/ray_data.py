"""Classifies fields with a Ray Data pipeline, beside the workers of ``alledge archive --ray``.

``python -m alledge.benchmarks.internal.archive.ray_data BUNDLE FOLDER --workers 2`` prints the
seconds of one command of each kind, in turn. With ``--fatal-field`` one more field ends the process
that reads it, as a fault in an image library can; a pipeline that has no result for the others
after ``--limit`` seconds is stopped.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
from pyarrow import parquet

from ....runtime.archive.model import Model, open_model
from ....runtime.archive.on_ray.cluster import BLOCK_FIELDS
from ....runtime.archive.on_ray.pool import WorkerPool
from ....runtime.archive.on_ray.worker import FieldWorker, Job, pack
from ....runtime.archive.options import ArchiveOptions
from ....runtime.archive.sources.entries import Entry
from ....runtime.ray_cluster import LOCAL, connect
from .processes import pictures

FATAL = "fatal.jpg"
PART_ROWS = 4096
BLOCK_ROWS = 4 * BLOCK_FIELDS


class FragileWorker(FieldWorker):
    """A worker that a certain field ends."""

    def classify(self, entries: Any) -> pa.Table:
        """Return the rows of a block of fields."""
        if any(entry.path.endswith(FATAL) for entry in entries):
            os._exit(1)
        return super().classify(entries)


class DataWorker:
    """The same worker as a class of Ray Data."""

    def __init__(self, job: Job) -> None:
        self._worker = FragileWorker()
        self._worker.load(job)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return the rows of a batch of fields."""
        return self._worker.classify([Entry(**row) for row in batch.to_pylist()])


def with_ray_data(ray: Any, job: Job, entries: list[Entry], workers: int) -> Iterator[pa.Table]:
    """Yield the rows of a Ray Data pipeline."""
    from ray import data

    data.DataContext.get_current().enable_progress_bars = False
    table = pa.Table.from_pylist([asdict(entry) for entry in entries])
    blocks = [table.slice(start, BLOCK_ROWS) for start in range(0, len(table), BLOCK_ROWS)]
    rows = data.from_arrow(blocks).map_batches(
        DataWorker, fn_constructor_args=[job], batch_size=BLOCK_FIELDS, batch_format="pyarrow",
        compute=data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2),
        num_cpus=1, max_restarts=-1, max_task_retries=-1,
    )  # fmt: skip
    yield from rows.iter_batches(batch_size=None, batch_format="pyarrow")


def with_actors(ray: Any, job: Job, entries: list[Entry], workers: int) -> Iterator[pa.Table]:
    """Yield the rows of the workers of ``alledge archive --ray``."""
    blocks = [entries[i : i + BLOCK_FIELDS] for i in range(0, len(entries), BLOCK_FIELDS)]
    pool = WorkerPool(ray, job, 1, 0, lambda line: None, FragileWorker)
    yield from pool.classify(iter(blocks))


WAYS = {"Ray Data": with_ray_data, "actors": with_actors}


def run(way: str, job: Job, entries: list[Entry], workers: int, out: str) -> None:
    """Classify the fields in one way, and write Parquet parts."""
    ray = connect(LOCAL, workers)
    waiting: list[pa.Table] = []
    part = 0
    for table in WAYS[way](ray, job, entries, workers):
        waiting.append(table)
        if sum(map(len, waiting)) >= PART_ROWS:
            parquet.write_table(pa.concat_tables(waiting), f"{out}/{part}.parquet")
            waiting, part = [], part + 1
    if waiting:
        parquet.write_table(pa.concat_tables(waiting), f"{out}/{part}.parquet")
    ray.shutdown()


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
        with suppress(OSError):
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
