"""Processes that do the steps of an export; each loads its converter once and does many steps.

A crash in a converter fails one step: the next step starts another process. A process that still
uses much memory after its step is replaced, because converters do not free all of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from pathlib import Path
from types import TracebackType

from ...errors import ExportError
from ...runtime.interrupts import on_end
from ...runtime.process_memory import current_mib, peak_mib

COMMAND = ("-m", f"{__package__}.worker")
REPLACE_MIB = 2048  # a process that uses so much after a step does no further one
WATCH_S = 0.2  # seconds between two readings of the memory
END_S = 5.0  # seconds that an idle process has to end
# A fixed hash seed: converters number tensors in the order of sets of strings. No banners.
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONIOENCODING": "utf-8",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",  # conversion has to give the same bytes on every machine
}


class WorkerPool:
    """The worker processes of one export; several threads may use it. A context manager.

    Parameters
    ----------
    folder : Path
        For what the processes print before their first step.
    at_most : int, optional
        Number of processes of one toolkit; a step waits for one of them. By default it waits for
        none.

    Attributes
    ----------
    peak_mib : float
        The most memory that all processes have used together, in MiB.
    """

    def __init__(self, folder: Path, at_most: int | None = None) -> None:
        self.peak_mib = 0.0
        self.at_most = at_most
        self._folder = folder
        self._lock = threading.Condition()
        self._busy = Counter[str]()
        self._idle: dict[str, list[_Worker]] = defaultdict(list)
        self._workers: set[_Worker] = set()
        self._started = 0
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> WorkerPool:
        self._cleanup.enter_context(on_end(self._kill_all))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cleanup.close()
        self.close()

    def close(self) -> None:
        """End all processes; a step that still runs is killed, and `run` returns."""
        self._closed.set()
        with self._lock:
            self._lock.notify_all()
            workers = list(self._workers)
            self._idle.clear()
        for worker in workers:
            worker.kill()
            worker.wait()
        if self._watcher is not None:
            self._watcher.join()

    def run(self, toolkit: str, job: Path, output: Path) -> tuple[int, int | None]:
        """Do one step in a process that has the toolkit, and wait for its end.

        Parameters
        ----------
        toolkit : str
            Processes of another toolkit are not used.
        job : Path
            The JSON file that describes the step; see `alledge.export.convert.worker.main`.
        output : Path
            The file that receives what the process prints.

        Returns
        -------
        code : int
            0 or 1 from the step; the exit code of the process if it died, which is negative after
            a signal.
        peak_mib : int or None
            The highest memory of the process seen since its start; None if it is not known.

        Raises
        ------
        ExportError
            If the pool is closed.
        """
        worker = self._take(toolkit)
        try:
            return self._do(worker, toolkit, job, output)
        finally:
            with self._lock:
                self._busy[toolkit] -= 1
                self._lock.notify_all()

    def _do(self, worker: _Worker, toolkit: str, job: Path, output: Path) -> tuple[int, int | None]:
        try:
            code = worker.do(job, output)
        except BaseException:
            self._drop(worker)
            raise
        used_mib = worker.measure()
        peak = int(worker.peak_mib) or None
        if code is None:
            return self._drop(worker), peak
        if used_mib >= REPLACE_MIB:
            self._drop(worker)
        else:
            with self._lock:
                self._idle[toolkit].append(worker)
        return code, peak

    def _kill_all(self) -> None:
        """Kill every process; for a signal handler, which must not wait."""
        for worker in list(self._workers):
            worker.kill()

    def _take(self, toolkit: str) -> _Worker:
        """Return an idle process of a toolkit, or start one; wait for one if there are enough."""
        with self._lock:
            self._lock.wait_for(
                lambda: (
                    self._closed.is_set()
                    or self.at_most is None
                    or self._busy[toolkit] < self.at_most
                )
            )
            if self._closed.is_set():
                raise ExportError("the export was ended")
            worker = self._idle[toolkit].pop() if self._idle[toolkit] else self._start()
            self._busy[toolkit] += 1
        return worker

    def _start(self) -> _Worker:
        """Start a process; the lock is held."""
        self._started += 1
        worker = _Worker(self._folder / f"worker{self._started}.log")
        self._workers.add(worker)
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()
        return worker

    def _drop(self, worker: _Worker) -> int:
        """End a process and return its exit code."""
        code = worker.end()
        with self._lock:
            self._workers.discard(worker)
        return code

    def _watch(self) -> None:
        """Read the memory of the processes until the pool is closed."""
        while not self._closed.wait(WATCH_S):
            with self._lock:
                workers = list(self._workers)
            self.peak_mib = max(self.peak_mib, sum(worker.measure() for worker in workers))


class _Worker:
    """One process that runs `alledge.export.convert.worker.serve`."""

    def __init__(self, log: Path) -> None:
        self.peak_mib = 0.0
        self._log = log
        with log.open("w", encoding="utf-8") as stream:
            self._process = subprocess.Popen(
                [sys.executable, *COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                encoding="utf-8",
                env={**os.environ, **ENVIRONMENT},
            )

    def do(self, job: Path, output: Path) -> int | None:
        """Do one step and return its exit code; None if the process died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"job": str(job.absolute()), "output": str(output.absolute())}
        with contextlib.suppress(OSError):  # a process that died at its start reads nothing
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if answer.isdigit():
            return int(answer)
        if not output.exists():
            output.write_bytes(self._log.read_bytes())
        return None

    def measure(self) -> float:
        """Read the memory of the process; return what it uses now, in MiB."""
        self.peak_mib = max(self.peak_mib, peak_mib(self._process.pid) or 0.0)
        return current_mib(self._process.pid) or 0.0

    def end(self) -> int:
        """Have the process end, kill it if it does not, and return its exit code."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self.wait()

    def kill(self) -> None:
        """Have the process end at once; for a signal handler too, so nothing is waited for."""
        self._process.kill()

    def wait(self) -> int:
        """Wait for the end of the process, close its pipes and return its exit code."""
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()
        return code
