"""Converts in threads before the results are needed; whoever needs a result waits for it."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from ..runtime.machine import memory_mib, usable_cores
from .convert.conversion import Conversion
from .convert.jobs import MEMORY_BUDGET_MIB, JobRunner
from .convert.quantization_recipes import ladder
from .gate.fold_artifacts import FoldArtifacts
from .options import ExportOptions

# Memory to convert a network: what TensorFlow and the converters need, and a multiple of the file.
TENSORFLOW_MIB, MEMORY_PER_SIZE = 1500, 16

Task = tuple[str, Callable[[], object]]  # the format of a task, and the task


class ConversionsAhead:
    """Conversions by the first recipes, whose results the gate asks for later.

    One thread begins with them while the references are chosen, which needs a converter too. Errors
    are ignored: whoever needs the result repeats the conversion and gets the error.

    Parameters
    ----------
    jobs : JobRunner, optional
        Needed if there are tasks.
    tasks : sequence of (str, callable)
        In the order in which they begin, with the format of each.
    at_once : int
        Number of tasks that may be done at the same time.
    """

    def __init__(
        self, jobs: JobRunner | None = None, tasks: Sequence[Task] = (), at_once: int = 1
    ) -> None:
        self._jobs, self._at_once = jobs, at_once
        self._waiting = deque(tasks)
        self._unfinished = Counter(name for name, _ in tasks)
        self._changed = threading.Condition()
        self._start_threads(1)

    def use_all_threads(self) -> None:
        """Do as many tasks at once as allowed from now on."""
        self._start_threads(self._at_once - 1)

    def wait(self, format_name: str | None = None) -> None:
        """Wait until the tasks of a format are finished; those of all formats for None."""
        with self._changed:
            self._changed.wait_for(lambda: not self._count(format_name))

    def _count(self, format_name: str | None) -> int:
        unfinished = self._unfinished
        return unfinished.total() if format_name is None else unfinished[format_name]

    def _start_threads(self, count: int) -> None:
        if self._jobs is not None and self._waiting:
            for _ in range(count):
                self._jobs.run_in_background(self._tasks())

    def _tasks(self) -> Iterator[Callable[[], object]]:
        """Yield what one thread does next; several threads have one of these each."""
        while True:
            try:
                name, task = self._waiting.popleft()
            except IndexError:
                return
            yield partial(self._do, name, task)

    def _do(self, name: str, task: Callable[[], object]) -> None:
        try:
            task()
        finally:
            with self._changed:
                self._unfinished[name] -= 1
                self._changed.notify_all()


def convert_ahead(
    options: ExportOptions,
    jobs: JobRunner,
    conversion: Conversion,
    folds: FoldArtifacts | None,
    artifacts: Path,
) -> ConversionsAhead:
    """Begin to convert by the first recipes, if memory suffices: folds and model, or the model."""
    first = {name: ladder(name, options.precision)[0] for name in options.formats}
    at_once = folds_at_once(options.run.model_path)
    if at_once == 1:
        return ConversionsAhead()
    model: dict[str, Callable[[], object]] = {
        name: partial(conversion.artifact, name, options.precision, recipe, artifacts / name)
        for name, recipe in first.items()
    }
    if folds is not None:
        # TFLite first: it takes longest, and measures what the other formats need too.
        tasks: list[Task] = []
        for name, recipe in first.items():
            tasks.append((name, model[name]))
            for fold in options.run.fold_numbers:
                tasks.append((name, partial(folds.scores, name, recipe, fold)))
        return ConversionsAhead(jobs, tasks, at_once)
    if "tflite" in model:
        jobs.run_in_background([model.pop("tflite")])
    corrected = "tflite" in first and first["tflite"].correction
    # TFLite waits for the same step, which measures the float graph for the other formats too.
    shared = conversion.corrected_biases if corrected else conversion.float_tflite
    jobs.run_in_background([shared, *model.values()])
    return ConversionsAhead()


def folds_at_once(model: Path) -> int:
    """Return the number of folds that are converted side by side, by cores and memory."""
    size_mib = model.stat().st_size / 2**20
    needed_mib = TENSORFLOW_MIB + MEMORY_PER_SIZE * size_mib
    available_mib = min(MEMORY_BUDGET_MIB, memory_mib() or MEMORY_BUDGET_MIB)
    return max(1, min(usable_cores(), int(available_mib // needed_mib)))
