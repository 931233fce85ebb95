"""Connects to a Ray cluster, counts the workers that fit, and runs one function in each."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import MissingPackageError, UsageError
from .machine import usable_cores

LOCAL, AUTO = "local", "auto"
OBJECT_STORE_BYTES = 512 << 20  # of a cluster on this machine
LOOKED_S = 5.0  # between two looks at the tasks


def connect(address: str, cpus: int | None = None) -> Any:
    """Connect to a cluster, or begin one on this machine, and return the module ``ray``.

    Parameters
    ----------
    address : str
        ``"local"``, ``"auto"``, or an address.
    cpus : int, optional
        Of a cluster on this machine; by default the physical cores within the quota.

    Raises
    ------
    MissingPackageError
        If Ray is not installed.
    UsageError
        If there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before the import; it reports home
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise MissingPackageError("ray", "archive", "--ray") from None

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == LOCAL:
            ray.init(
                "local",
                num_cpus=cpus or usable_cores(),
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
            "--address HOST:6379; where the cluster has a token, set RAY_AUTH_MODE=token",
        ) from None
    return ray


def count_places(ray: Any, cpus: int, gpus: float) -> int:
    """Return the number of workers for which the machines of the cluster have CPUs and GPUs.

    Parameters
    ----------
    ray : module
        Connected.
    cpus : int
        Of each worker.
    gpus : float
        Of each worker.
    """
    places = 0
    for resources in _machines(ray):
        fit = resources.get("CPU", 0) // cpus
        if gpus:
            fit = min(fit, resources.get("GPU", 0) // gpus)
        places += int(fit)
    return places


@contextlib.contextmanager
def workers_run(
    work: Callable[[], object],
    address: str,
    *,
    cpus: int,
    gpus: float,
    is_shared: bool,
    say: Callable[[str], object],
) -> Iterator[None]:
    """Run a function in as many Ray workers as fit, less one, while the body runs here.

    Parameters
    ----------
    work : callable
        Sent to each worker. One that ends with its machine is started again.
    address : str
        As of `connect`.
    cpus, gpus
        Of each worker.
    is_shared : bool
        Whether what the function uses can be reached from several machines.
    say : callable
        Prints one line about a worker that failed.

    Raises
    ------
    UsageError
        As `connect`, or if there are several machines and `is_shared` is False.
    """
    ray = connect(address)
    ended = threading.Event()
    try:
        if not is_shared and len(_machines(ray)) > 1:
            raise UsageError(
                f"the Ray cluster has {len(_machines(ray))} machines, and the storage is a file",
                fix="--storage URL of a database that all of them reach",
            )
        count = max(count_places(ray, cpus, gpus) - 1, 1)
        task = ray.remote(work_once).options(num_cpus=cpus, num_gpus=gpus, max_retries=-1)
        tasks = [task.remote(work, str(Path.cwd())) for _ in range(count)]
        say(f"{count} Ray workers")
        watcher = threading.Thread(target=_watch, args=(ray, tasks, ended, say), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            for one in tasks:
                ray.cancel(one, force=True)
    finally:
        with contextlib.suppress(Exception):  # the cluster may be gone
            ray.shutdown()


def work_once(work: Callable[[], object], folder: str) -> None:
    """Call the function that a worker got; relative paths are relative to a folder."""
    with contextlib.suppress(OSError):  # this machine may not have it
        os.chdir(folder)
    work()


def _machines(ray: Any) -> list[dict[str, float]]:
    """Return the resources of the machines that are there."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _watch(
    ray: Any, tasks: list[Any], ended: threading.Event, say: Callable[[str], object]
) -> None:
    """Say why a worker failed; the others and this process go on."""
    left = list(tasks)
    while left and not ended.is_set():
        ready, left = ray.wait(left, num_returns=1, timeout=LOOKED_S)
        for task in ready:
            try:
                ray.get(task)
            except Exception as error:
                cause = getattr(error, "cause", None) or error
                say(f"a Ray worker failed: {' '.join(str(cause).split())[:300]}")
