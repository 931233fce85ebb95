"""Runs a study stage by stage: trials, fits on cached features, then fine-tunings.

All results are in the storage. The folder of a study holds the storage (if it is SQLite), the
state of an interrupted fine-tuning, and the page, which is written after every stage.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.progress import BarColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from ...runtime.files import write_json
from ...runtime.outputs import check_folder, check_outputs, is_own_document, make_folder
from ...runtime.ray_cluster import workers_run
from ...runtime.terminal import printable
from ..fitting.feature_cache import FeatureCache
from ..progress import ProgressDisplay, TrainingProgress
from .cell_tuning import StudyWorker
from .frozen_features import Features
from .options import StudyOptions
from .other_microscopes import other_microscopes
from .plan import BASE, Cell, Plan, make_plan
from .trial_queue import HEARTBEAT_S, open_storage, sqlite_url
from .whole_fields import whole_field_figures

DATABASE, DOCUMENT, SETTINGS = "study.db", "study.json", "settings.json"
POLL_S = 1.0  # between two looks at the work of other processes
PAGES = ("study.md", "study.html")
SETTINGS_SCHEMA = "alledge/study-settings"
WHOLE = "the whole study"


@dataclass(frozen=True)
class StudyLocation:
    """The folder and the storage of a study.

    Parameters
    ----------
    out : Path
        Folder of the study on this machine.
    storage : str, optional
        URL of an Optuna storage; SQLite in `out` by default.
    resume : bool
        Whether the folder may hold a study already.
    heartbeat_s : int
        Seconds between two heartbeats.
    cache : Path, optional
        Folder of cached features; the user's cache folder by default.
    ray : str, optional
        Ray cluster whose workers take part: ``"local"``, ``"auto"`` or an address.
    worker_cpus : int
        Of each of them.
    worker_gpus : float
        Of each of them.
    """

    out: Path
    storage: str | None = None
    resume: bool = False
    heartbeat_s: int = HEARTBEAT_S
    cache: Path | None = None
    ray: str | None = None
    worker_cpus: int = 1
    worker_gpus: float = 0.0


@dataclass(frozen=True)
class Job:
    """Work in one cell: tuning it, or one fit.

    Parameters
    ----------
    cell : Cell
    kind : str
        Of the fit; empty for tuning.
    """

    cell: Cell
    kind: str = ""

    def is_finished(self, worker: StudyWorker) -> bool:
        """Return whether this or another process has finished the job."""
        result = worker.fitted(self.cell, self.kind) if self.kind else worker.tuned(self.cell)
        return result is not None

    def run(self, worker: StudyWorker) -> bool:
        """Run one piece of the job; return False if other processes have all that is left."""
        return worker.fit(self.cell, self.kind) if self.kind else worker.tune(self.cell)

    def pieces_done(self, worker: StudyWorker) -> int:
        """Return the number of finished pieces."""
        return int(self.is_finished(worker)) if self.kind else worker.trials_done(self.cell)


@dataclass(frozen=True)
class Stage:
    """Jobs that are all finished before the next stage begins.

    Parameters
    ----------
    name : str
    jobs : list of Job
    pieces_per_job : int
    pieces_before : int
        Pieces of all stages before this one.
    pieces_of_study : int
        Pieces of all stages.
    """

    name: str
    jobs: list[Job]
    pieces_per_job: int
    pieces_before: int
    pieces_of_study: int


class _StageTimeRemaining(TimeRemainingColumn):
    """The time left of a stage. The study has none: a fine-tuning takes 1000 times a trial."""

    def render(self, task: Task) -> Text:
        return Text() if task.description == WHOLE else super().render(task)


class StudyProgress(ProgressDisplay):
    """One bar for the current stage, with the time left, and one for the whole study.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, quiet: bool) -> None:
        super().__init__(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            _StageTimeRemaining(),
            TextColumn("{task.fields[cell]}", markup=False),
            quiet=quiet,
        )
        self._tasks: dict[str, Any] = {}

    def show(self, stage: str, done: int, total: int, cell: str = "", note: str = "") -> None:
        """Set the bar of a stage; print a line if there is no terminal and the cell changed."""
        cell = printable(cell)
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=total, cell="")
        previous = self._bar.tasks[self._tasks[stage]].fields["cell"]
        self._bar.update(self._tasks[stage], completed=done, total=total, cell=cell)
        if cell != previous:
            self.say_without_terminal(f"{stage}: {done} of {total} done{note}; {cell}")

    def work(self, stage: Stage, done: int, cell: str) -> None:
        """Set the bars of a stage and of the whole study."""
        total = stage.pieces_per_job * len(stage.jobs)
        done_of_study, of_study = stage.pieces_before + done, stage.pieces_of_study
        if self._console.is_terminal:
            self.show(WHOLE, done_of_study, of_study)
        self.show(stage.name, done, total, cell, f" ({done_of_study} of {of_study} in all)")


def study(options: StudyOptions, location: StudyLocation, *, quiet: bool = False) -> Path:
    """Finish a study, alone or with other processes, and write its page.

    Parameters
    ----------
    options : StudyOptions
    location : StudyLocation
    quiet : bool
        Show no progress.

    Returns
    -------
    Path
        The HTML page.

    Raises
    ------
    UsageError
        If the folder is not empty and `resume` is False, holds files of these names that no study
        wrote, or cannot be written; if a name or the storage is wrong.
    DataError
        If the data set or a split cannot be used. Nothing was trained then.
    """
    out = location.out
    _check_folder(location)
    with StudyProgress(quiet) as progress:
        plan = make_plan(options, progress.show)
        if options.beside is not None:  # a wrong file is reported before anything is trained
            whole_field_figures(options.beside, plan.settings["data"])
        other_microscopes(options.adoption, options.laboratories)
        for line in plan.settings["reading"]:
            progress.say(line)
        for name, reason in plan.settings["left_out"].items():
            progress.say(f"the {name} split is left out: {reason}")
        storage = _open_storage(location)
        write_json(out / SETTINGS, {"schema": SETTINGS_SCHEMA, **plan.settings})
        worker = StudyWorker(
            plan,
            Features(plan, FeatureCache(location.cache), progress.say),
            storage,
            out / "fits",
            TrainingProgress(quiet=True),
        )
        with _ray_workers(options, location, progress):
            for stage in stages(plan):
                run_stage(worker, stage, progress)
                page = _write(worker, out)
    return page


def take_part(
    options: StudyOptions, storage: str, heartbeat_s: int, cache: Path | None = None
) -> None:
    """Work for a study whose page another process writes.

    Parameters
    ----------
    options : StudyOptions
    storage : str
        As of `StudyLocation`.
    heartbeat_s : int
    cache : Path, optional
    """
    with TemporaryDirectory(prefix="alledge-study-") as folder:
        location = StudyLocation(Path(folder, "study"), storage, False, heartbeat_s, cache)
        study(options, location, quiet=True)


def _ray_workers(
    options: StudyOptions, location: StudyLocation, progress: StudyProgress
) -> AbstractContextManager[None]:
    """Have Ray workers take part in a study, if the user asked for them."""
    if location.ray is None:
        return nullcontext()
    url = location.storage or sqlite_url(location.out / DATABASE)
    return workers_run(
        partial(take_part, options, url, location.heartbeat_s, location.cache),
        location.ray,
        cpus=location.worker_cpus,
        gpus=location.worker_gpus,
        is_shared=location.storage is not None,
        say=progress.say,
    )


def _check_folder(location: StudyLocation) -> None:
    """Raise UsageError if the study would write over files that are not its own."""
    out = location.out
    if not location.resume:
        check_folder(out, fix="--resume to continue it, or another --out")
    elif not is_own_document(out / SETTINGS, SETTINGS_SCHEMA):
        # the folder may be new, or another process has begun just now
        check_outputs([out / name for name in (SETTINGS, DOCUMENT, *PAGES)], can_force=False)


def stages(plan: Plan) -> list[Stage]:
    """Return the stages of a study in their order.

    All work on cached features comes before any base is fine-tuned. The fine-tunings of one model
    on one split are one stage.
    """
    parts = list(_parts(plan))
    pieces = [per_job * len(jobs) for _, jobs, per_job in parts]
    return [
        Stage(
            name,
            jobs,
            pieces_per_job=per_job,
            pieces_before=sum(pieces[:index]),
            pieces_of_study=sum(pieces),
        )
        for index, (name, jobs, per_job) in enumerate(parts)
    ]


def _parts(plan: Plan) -> Iterator[tuple[str, list[Job], int]]:
    """Yield name, jobs and pieces per job of every stage."""
    cells = list(plan.cells())
    fits = [Job(cell, kind) for cell in cells for kind in plan.kinds(cell.model)]
    yield "trials", [Job(cell) for cell in cells], plan.options.trials
    yield "fits", [job for job in fits if job.kind != BASE], 1
    bases = [job for job in fits if job.kind == BASE]
    for (model, split), jobs in groupby(bases, key=lambda job: (job.cell.model, job.cell.split)):
        yield f"fine-tunings of {model}, {split}", list(jobs), 1


def run_stage(worker: StudyWorker, stage: Stage, progress: StudyProgress) -> None:
    """Run the jobs of a stage until all are finished, by this or by other processes."""
    left = list(stage.jobs)
    while left:
        worked, unfinished = False, []
        for job in left:
            while not (finished := job.is_finished(worker)):
                _show(worker, stage, job, progress)
                if not job.run(worker):
                    break
                worked = True
            if not finished:
                unfinished.append(job)
        left = unfinished
        if left and not worked:
            time.sleep(POLL_S)  # other processes run what is left, or are dead and time out
    if stage.jobs:
        _show(worker, stage, stage.jobs[-1], progress)


def _show(worker: StudyWorker, stage: Stage, job: Job, progress: StudyProgress) -> None:
    done = stage.jobs.index(job) * stage.pieces_per_job + job.pieces_done(worker)
    progress.work(stage, done, job.cell.name)


def _open_storage(location: StudyLocation) -> Any:
    """Open the storage, and create the folder of the study.

    A storage that cannot be opened leaves no folder behind, except where SQLite needs it before.
    """
    if location.storage is None:
        make_folder(location.out)
    url = location.storage or sqlite_url(location.out / DATABASE)
    storage = open_storage(url, location.heartbeat_s)
    make_folder(location.out)
    return storage


def _write(worker: StudyWorker, out: Path) -> Path:
    from .report_pages import write_pages
    from .study_document import study_document

    document = study_document(worker)
    write_json(out / DOCUMENT, document)
    page: Path = write_pages(out, document)
    return page
