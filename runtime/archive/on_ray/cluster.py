"""Classifies the fields of an archive with Ray actors, from one process that writes all results.

Blocks of fields are sent to workers, at most two to each; their rows come back in any order. What
was sent to a worker that ends is sent to another one. Only this process writes, so a block that
ran twice is in the results once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ....errors import UsageError
from ...machine import usable_cores
from ..model import Model, Notice
from ..options import ArchiveOptions
from ..sources.entries import Entry
from .pool import WorkerPool
from .worker import Job, pack, without_folder

if TYPE_CHECKING:
    import pyarrow as pa

LOCAL, AUTO = "local", "auto"
BLOCK_FIELDS = 16  # sent to a worker at once; what a worker that ends has to do again
OBJECT_STORE_BYTES = 512 << 20  # on one machine: the bundle, and two blocks a worker


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


def connect(address: str, threads: int | None) -> Any:
    """Connect to a cluster, or begin one on this machine, and return the module ``ray``.

    Parameters
    ----------
    address : str
        ``"local"``, ``"auto"``, or an address.
    threads : int or None
        CPUs of a cluster on this machine; by default the physical cores within the quota.

    Raises
    ------
    UsageError
        If there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before the import; it reports home
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == LOCAL:
            ray.init(
                "local",
                num_cpus=threads or usable_cores(),
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                **quiet,
            )
        else:
            ray.init(address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"there is no Ray cluster at {address!r}: {' '.join(str(error).split())[:200]}",
            allowed="local, auto, HOST:PORT",
            fix="begin one: ray start --head; and on the other machines: ray start "
            "--address HOST:6379",
        ) from None
    return ray


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
