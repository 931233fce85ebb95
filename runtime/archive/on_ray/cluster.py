"""Classifies the fields of an archive with Ray actors, from one process that writes all results.

Blocks of fields are sent to workers, at most two to each; their rows come back in any order. What
was sent to a worker that ends is sent to another one. Only this process writes, so a block that
ran twice is in the results once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ...ray_cluster import AUTO, connect
from ..model import Model, Notice
from ..options import ArchiveOptions
from ..sources.entries import Entry
from .pool import WorkerPool
from .worker import Job, pack, without_folder

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_FIELDS = 16  # sent to a worker at once; what a worker that ends has to do again


def classify_on_ray(
    options: ArchiveOptions,
    model: Model,
    entries: Iterable[Entry],
    folders: Sequence[str],
    notice: Notice,
) -> Iterator[pa.Table]:
    """Classify fields on Ray, in any order.

    Parameters
    ----------
    options : ArchiveOptions
        With `ray`, `worker_cpus` and `worker_gpus`.
    model : Model
    entries : iterable of Entry
        Read while the tables are taken.
    folders : sequence of str
        Local folders that every machine has to have.
    notice : callable
        Prints one line for people.

    Yields
    ------
    pyarrow.Table

    Raises
    ------
    UsageError
        If there is no such cluster.
    AlledgeError
        If no machine of the cluster can classify.
    StoreError
        If an object store refuses, or does not answer.
    """
    job = Job(
        bundles=tuple(pack(bundle.path) for bundle in model.bundles),
        backend=model.backend,
        profile=without_folder(model.profile),
        identity=model.identity,
        threads=options.worker_cpus,
        timeout_s=options.timeout_s,
        taken_as=options.taken_as,
        folders=tuple(folders),
    )
    ray = connect(options.ray or AUTO, options.threads)
    try:
        pool = WorkerPool(ray, job, options.worker_cpus, options.worker_gpus, notice)
        yield from pool.classify(blocks(entries))
    finally:
        with suppress(Exception):  # the cluster may be gone
            ray.shutdown()


def blocks(entries: Iterable[Entry], size: int = BLOCK_FIELDS) -> Iterator[list[Entry]]:
    """Yield the fields in blocks; the last one may be smaller."""
    block: list[Entry] = []
    for entry in entries:
        block.append(entry)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block
