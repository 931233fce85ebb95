"""Runs the steps of an export in worker processes and logs them; loads no converter itself.

A crash in a converter fails one step only. The log holds the seconds and the memory of every step.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import ExportError
from ...runtime.files import write_json
from ...runtime.json_documents import read_json
from ..types import Json, StepRecord
from .step_cache import StepCache
from .worker import OUTPUT, STEPS
from .worker_pool import WorkerPool

MEMORY_BUDGET_MIB = 8192
TAIL_LINES = 3
THREAD_END_S = 10.0  # for a task of the background whose step was ended


@dataclass
class JobRunner:
    """Runs steps; several threads may use it. A context manager, which ends the processes.

    Parameters
    ----------
    folder : Path
        Holds the job, the result and the output of every step.
    on_step : callable, optional
        Called with the title of each step before it starts.
    log : list of StepRecord
        One row a step, in the order in which the steps began.
    on_log : callable, optional
        Called with the log after each step.
    cache : StepCache, optional
        Holds results of earlier exports; every step is done without one.
    """

    folder: Path
    on_step: Callable[[str], None] = lambda title: None
    log: list[StepRecord] = field(default_factory=list)
    on_log: Callable[[list[StepRecord]], None] = lambda log: None
    cache: StepCache | None = None

    def __post_init__(self) -> None:
        self._workers = WorkerPool(self.folder)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()

    def __enter__(self) -> JobRunner:
        self._workers.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._workers.__exit__(None, None, None)
        for thread in self._threads:  # until they end, they write into the folder
            thread.join(THREAD_END_S)

    def close(self) -> None:
        """End all processes, and with them the steps that still run."""
        self._ended.set()
        self._workers.close()

    def run_in_background(self, tasks: Iterable[Callable[[], object]]) -> None:
        """Run tasks one after the other in a thread.

        Parameters
        ----------
        tasks : iterable of callable
            A task keeps its result. Its errors are ignored: whoever needs the result repeats the
            task and gets the error.
        """

        def work() -> None:
            for task in tasks:
                if self._ended.is_set():
                    return
                with contextlib.suppress(Exception):  # also what fails because the export has ended
                    task()

        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def report_log(self) -> None:
        """Call `on_log` once more; a step of another thread that ends now waits for it."""
        with self._lock:
            self.on_log(self.log)

    def limit(self, at_most: int) -> None:
        """Have at most so many processes of one toolkit from now on."""
        self._workers.at_most = at_most

    @property
    def peak_mib(self) -> int:
        """The most memory that all processes have used together, in MiB."""
        return int(self._workers.peak_mib)

    def run(self, title: str, step: str, **job: Any) -> Json:
        """Run one step.

        Parameters
        ----------
        title : str
            Names the step for people.
        step : str
            A key of `alledge.export.convert.worker.STEPS`.
        **job
            The input of the step: JSON values, and paths as str or Path.

        Returns
        -------
        dict
            The result of the step, with its ``seconds`` and ``peak_mib``.

        Raises
        ------
        ExportError
            If the step failed or its process died.
        """
        record = StepRecord(step=title, seconds=0.0)
        with self._lock:
            self.on_step(title)
            self.log.append(record)
            base = self.folder / f"job{len(self.log)}"
        result = self._do(base, step, job)
        with self._lock:
            record["seconds"] = result["seconds"]
            for key in ("peak_mib", "error", "cached", "corrected_biases"):
                if key in result:
                    record[key] = result[key]  # type: ignore[literal-required]
            self.on_log(self.log)
        if "error" in result:
            raise ExportError(f"{title} failed: {result['error']}")
        return result

    def _do(self, base: Path, step: str, job: Json) -> Json:
        """Take the result of a step from the cache, or have a worker do the step."""
        given = {key: value for key, value in job.items() if value is not None}
        if self.cache is None or OUTPUT not in given:
            return self._work(base, step, given)
        paths = {key: value for key, value in given.items() if isinstance(value, Path)}
        options = {key: value for key, value in given.items() if key not in paths}
        inputs = {name: paths[name] for name in STEPS[step].inputs if name in paths}
        key, began = self.cache.key(step, options, inputs), time.monotonic()
        cached = self.cache.fetch(key, paths[OUTPUT])
        if cached is not None:
            return {**cached, "seconds": round(time.monotonic() - began, 2), "cached": True}
        result = self._work(base, step, given)
        if "error" not in result:
            self.cache.store(key, paths[OUTPUT], result)
        return result

    def _work(self, base: Path, step: str, job: Json) -> Json:
        """Have a worker do a step; the files of the step have names that begin with `base`."""
        job_file, output = base.with_suffix(".json"), base.with_suffix(".log")
        result_file = base.with_suffix(".result.json")
        inputs = {
            key: str(value) if isinstance(value, Path) else value for key, value in job.items()
        }
        write_json(job_file, {"step": step, "result": str(result_file), **inputs})
        began = time.monotonic()
        code, peak = self._workers.run(STEPS[step].toolkit, job_file, output)
        result = _read_result(result_file, code, output)
        result.setdefault("seconds", round(time.monotonic() - began, 2))
        if peak is not None:
            result.setdefault("peak_mib", peak)
        return result


def _read_result(result_file: Path, code: int, output: Path) -> Json:
    """Return the result of a step; an ``error`` if its process died before it wrote one."""
    try:
        result: Json = read_json(result_file, error=ExportError, file_names=True)
        return result
    except ExportError:
        cause = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        tail = " | ".join(line.strip() for line in lines[-TAIL_LINES:])
        hint = "; out of memory?" if code == -9 else ""
        return {"error": f"its process ended {cause}{hint}{': ' + tail if tail else ''}"}
