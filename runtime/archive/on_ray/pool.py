"""Workers of a Ray cluster: as many as fit, replaced when they end, with two blocks each."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ....errors import AlledgeError
from ...ray_cluster import count_places
from ..model import Notice
from ..sources.entries import Entry
from .worker import FieldWorker, Job

if TYPE_CHECKING:
    import pyarrow as pa

IN_WORK = 2  # blocks sent to a worker: one in work, one that waits for it
ATTEMPTS = 2  # of a block, before its fields are tried one by one
SINGLE_ATTEMPTS = 3  # of one field that ends its worker
WAIT_S = 1.0
COUNTED_S = 5.0  # between two looks at the machines of the cluster
ENDED = "the process that classifies ended with this field, several times"
MOST_FAILURES = 8  # workers that end one behind the other without a result


@dataclass(eq=False)
class Block:
    """Fields that are sent together.

    Parameters
    ----------
    entries : list of Entry
    attempts : int
        Number of workers that ended with it.
    """

    entries: list[Entry]
    attempts: int = 0

    def again(self) -> list[Block]:
        """Return what is sent after a worker ended with this block."""
        self.attempts += 1
        if len(self.entries) > 1 and self.attempts >= ATTEMPTS:
            return [Block([entry], 1) for entry in self.entries]
        return [self]

    @property
    def is_suspect(self) -> bool:
        """Whether it may have ended a worker; it is then sent to one alone."""
        return self.attempts > 0

    @property
    def is_given_up(self) -> bool:
        """Whether its only field ended several workers."""
        return len(self.entries) == 1 and self.attempts >= SINGLE_ATTEMPTS


@dataclass(eq=False)
class Worker:
    """An actor and what was sent to it."""

    actor: Any
    is_ready: bool = False
    blocks: list[Block] = field(default_factory=list)

    def takes(self, block: Block) -> bool:
        """Return whether a block may be sent to it now."""
        if not self.is_ready or any(row.is_suspect for row in self.blocks):
            return False
        return len(self.blocks) < (1 if block.is_suspect else IN_WORK)


class WorkerPool:
    """The workers of a cluster.

    Parameters
    ----------
    ray : module
        Connected.
    job : Job
    cpus : int
        Of each worker.
    gpus : float
        Of each worker.
    notice : callable
        Prints one line for people.
    worker_class : type
        What classifies.
    """

    def __init__(
        self,
        ray: Any,
        job: Job,
        cpus: int,
        gpus: float,
        notice: Notice,
        worker_class: type[FieldWorker] = FieldWorker,
    ) -> None:
        self._ray, self._cpus, self._gpus, self._notice = ray, cpus, gpus, notice
        self._job = job
        self._job_reference = ray.put(job)
        self._class = ray.remote(worker_class)
        self._workers: list[Worker] = []
        self._tasks: dict[Any, tuple[Worker, Block | None]] = {}  # None: the bundle is loaded
        self._waiting: deque[Block] = deque()
        self._refused = self._failures = 0  # workers that could not load, and that ended
        self._error: AlledgeError | None = None
        self._counted = -COUNTED_S

    def classify(self, blocks: Iterator[list[Entry]]) -> Iterator[pa.Table]:
        """Yield the rows of each block, in the order in which they are finished.

        Raises
        ------
        AlledgeError
            If no worker can classify, and what a worker raises.
        """
        source = map(Block, blocks)
        while True:
            self._add_workers()
            at_end = self._send(source)
            if at_end and not any(block for _, block in self._tasks.values()):
                return
            ready, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=WAIT_S)
            for task in ready:
                table = self._finish(task)
                if table is not None:
                    yield table
            yield from self._given_up()

    def _add_workers(self) -> None:
        """Begin workers until they fill the machines that are there now."""
        if time.monotonic() - self._counted < COUNTED_S and self._workers:
            return
        self._counted = time.monotonic()
        target = max(count_places(self._ray, self._cpus, self._gpus) - self._refused, 0)
        while len(self._workers) < target:
            actor = self._class.options(num_cpus=self._cpus, num_gpus=self._gpus).remote()
            worker = Worker(actor)
            self._workers.append(worker)
            self._tasks[actor.load.remote(self._job_reference)] = (worker, None)
        if self._workers:
            return
        if self._error is not None:
            raise self._error
        wanted = f"{self._cpus} CPUs" + (f" and {self._gpus:g} GPUs" if self._gpus else "")
        raise AlledgeError(
            f"no machine of the cluster has {wanted}", fix="--worker-cpus and --worker-gpus"
        )

    def _send(self, source: Iterator[Block]) -> bool:
        """Send blocks to the workers that take some; return whether all blocks were sent."""
        at_end = False
        while True:
            block = self._waiting.popleft() if self._waiting else None
            if block is None:
                if not any(worker.takes(Block([])) for worker in self._workers):
                    return at_end
                if (block := next(source, None)) is None:
                    return True
            takers = [worker for worker in self._workers if worker.takes(block)]
            if not takers:
                self._waiting.appendleft(block)
                return False
            worker = min(takers, key=lambda row: len(row.blocks))
            worker.blocks.append(block)
            self._tasks[worker.actor.classify.remote(block.entries)] = (worker, block)

    def _finish(self, task: Any) -> pa.Table | None:
        """Return the rows of a finished task; None if it has none or its worker has ended."""
        from ray.exceptions import RayError, RayTaskError

        worker, block = self._tasks.pop(task)
        try:
            value = self._ray.get(task)
        except RayTaskError as error:
            cause = error.cause
            if block is None and isinstance(cause, AlledgeError):
                self._refuse(worker, cause)
                return None
            raise (cause if isinstance(cause, AlledgeError) else error) from None
        except RayError as error:
            self._end(worker, block, error)
            return None
        if block is None:
            worker.is_ready = True
            return None
        worker.blocks.remove(block)
        self._failures = 0
        return value

    def _refuse(self, worker: Worker, error: AlledgeError) -> None:
        """Leave out a machine that cannot load the bundle or lacks a folder."""
        self._workers.remove(worker)
        self._refused += 1
        self._error = error
        self._counted = -COUNTED_S
        self._notice(f"a worker is left out: {error.one_line}")

    def _end(self, worker: Worker, block: Block | None, error: Exception) -> None:
        """Send the block of a worker that ended to another one."""
        if worker in self._workers:
            self._workers.remove(worker)
            self._counted = -COUNTED_S
            self._failures += 1
            reason = " ".join(str(error).split())[:200]
            self._notice(f"a worker has ended, its fields go to another: {reason}")
            if self._failures >= MOST_FAILURES and block is None:
                raise AlledgeError(
                    f"{self._failures} workers ended one behind the other: {reason}",
                    fix=f'pip install "alledge[archive]=={self._job.version}" on every machine',
                )
        if block is not None:
            self._waiting.extend(block.again())

    def _given_up(self) -> Iterator[pa.Table]:
        """Yield the rows of fields that ended several workers."""
        from ..results.schema import error_row, table_of

        given_up = [block for block in self._waiting if block.is_given_up]
        for block in given_up:
            self._waiting.remove(block)
            [entry] = block.entries
            yield table_of([error_row(entry, ENDED, self._job.identity)])
