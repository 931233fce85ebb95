"""Two ways to classify an archive with Ray: a Ray Data pipeline, and the workers of alledge."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from ....runtime.archive.on_ray.cluster import BLOCK_FIELDS
from ....runtime.archive.on_ray.pool import WorkerPool
from ....runtime.archive.on_ray.worker import FieldWorker, Job
from ....runtime.archive.sources.entries import Entry
from ....runtime.ray_cluster import LOCAL, connect

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
