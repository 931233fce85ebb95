"""``alledge study`` from its options to the finished page: who does what, and in what order.

All results lie in the storage; the folder of a study holds that (where it is SQLite), the state
of a fine-tuning in progress, and the page, which is written again after every stage.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.progress import (
    BarColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ...errors import UsageError
from ...runtime.files import write_json
from ..fitting.feature_cache import FeatureCache
from ..progress import ProgressDisplay, TrainingProgress
from .cell_tuning import StudyWorker
from .frozen_features import Features
from .options import StudyOptions
from .plan import BASE, Cell, Plan, make_plan
from .trial_queue import HEARTBEAT_S, open_storage, sqlite_url

DATABASE, SETTINGS = "study.db", "settings.json"
WAIT_S = 1.0  # before looking again at what other processes have done
WHOLE = "the whole study"


@dataclass(frozen=True)
class StudyLocation:
    """Where the work lies and how it is shared.

    Parameters
    ----------
    out : Path
        Folder of the study on this machine.
    storage : str, optional
        URL of an Optuna storage; SQLite in `out` by default.
    resume : bool
        The folder may hold a study already.
    heartbeat_s : int
    cache : Path, optional
        Of features; the user's own by default.
    """

    out: Path
    storage: str | None = None
    resume: bool = False
    heartbeat_s: int = HEARTBEAT_S
    cache: Path | None = None


# a cell and what to do in it; the empty kind is tuning
Job = tuple[Cell, str]


@dataclass(frozen=True)
class Stage:
    """Work that is done before the next begins; the page is written again after it.

    Parameters
    ----------
    name : str
    jobs : list of Job
    each : int
        Pieces of work a job.
    before, whole : int
        Pieces of the stages before, and of all stages.
    """

    name: str
    jobs: list[Job]
    each: int
    before: int
    whole: int


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
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            _StageTimeRemaining(),
            TextColumn("{task.fields[cell]}"),
            quiet=quiet,
        )
        self._tasks: dict[str, Any] = {}

    def show(self, stage: str, done: int, total: int, cell: str = "", note: str = "") -> None:
        """Set the bar of a stage; print a line if there is no terminal and the cell changed."""
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=total, cell="")
        previous = self._bar.tasks[self._tasks[stage]].fields["cell"]
        self._bar.update(self._tasks[stage], completed=done, total=total, cell=cell)
        if cell != previous:
            self.say_without_terminal(f"{stage}: {done} of {total} done{note}; {cell}")

    def work(self, stage: Stage, done: int, cell: str) -> None:
        """Set the bars of a stage and of the whole study."""
        total, done_of_study = stage.each * len(stage.jobs), stage.before + done
        if self._console.is_terminal:
            self.show(WHOLE, done_of_study, stage.whole)
        self.show(stage.name, done, total, cell, f" ({done_of_study} of {stage.whole} in all)")


def study(order: StudyOptions, shared: StudyLocation, *, quiet: bool = False) -> Path:
    """Do what is left of a study, alone or with other processes, and write its page.

    Parameters
    ----------
    order : StudyOptions
    shared : StudyLocation
    quiet : bool

    Returns
    -------
    Path
        The page.

    Raises
    ------
    UsageError
        If the folder is taken, or a name or the storage cannot be meant.
    DataError
        If the data set or a split cannot be used; nothing is trained then.
    """
    out = shared.out
    if out.exists() and any(out.iterdir()) and not shared.resume:
        raise UsageError(
            f"{out} is there already", fix="--resume to go on with it, or another --out"
        )
    with StudyProgress(quiet) as progress:
        plan = make_plan(order, progress.show)
        for name, why in plan.settings["left_out"].items():
            progress.say(f"the {name} split is left out: {why}")
        storage = _storage(shared)
        write_json(out / SETTINGS, plan.settings)
        features = Features(plan, FeatureCache(shared.cache), progress.say)
        bench = StudyWorker(plan, features, storage, out / "fits", TrainingProgress(quiet=True))
        for stage in stages(plan):
            work_off(bench, stage, progress)
            page = _write(bench, out)
    return page


def stages(plan: Plan) -> list[Stage]:
    """Return what is done first, and what after it.

    Everything on cached features comes before any base is fine-tuned; fine-tuning is one stage a
    model and split.
    """
    cells = list(plan.cells())
    fits = [(cell, kind) for cell in cells for kind in plan.kinds(cell.model) if kind != BASE]
    bases = [(cell, BASE) for cell in cells if BASE in plan.kinds(cell.model)]
    parts: list[tuple[str, list[Job], int]] = [
        ("trials", [(cell, "") for cell in cells], plan.options.trials),
        ("fits", fits, 1),
    ]
    for (model, split), jobs in groupby(bases, key=lambda job: (job[0].model, job[0].split)):
        parts.append((f"fine-tunings of {model}, {split}", list(jobs), 1))
    pieces = [each * len(jobs) for _, jobs, each in parts]
    return [
        Stage(name, jobs, each, sum(pieces[:at]), sum(pieces))
        for at, (name, jobs, each) in enumerate(parts)
    ]


def work_off(bench: StudyWorker, stage: Stage, progress: StudyProgress) -> None:
    """Do the jobs of a stage until all are done, here or elsewhere."""
    left = list(stage.jobs)
    while left:
        worked, rest = False, []
        for job in left:
            cell, kind = job
            while not (finished := _finished(bench, job)):
                _show(bench, stage, job, progress)
                if not (bench.fit(cell, kind) if kind else bench.tune(cell)):
                    break
                worked = True
            if not finished:
                rest.append(job)
        left = rest
        if left and not worked:
            time.sleep(WAIT_S)  # others have what is left, or have died and are waited out
    if stage.jobs:
        _show(bench, stage, stage.jobs[-1], progress)


def _storage(shared: StudyLocation) -> Any:
    """Open the storage; the study's folder is made after it, but where it holds it."""
    if shared.storage is None:
        shared.out.mkdir(parents=True, exist_ok=True)
    url = shared.storage or sqlite_url(shared.out / DATABASE)
    storage = open_storage(url, shared.heartbeat_s)
    shared.out.mkdir(parents=True, exist_ok=True)
    return storage


def _finished(bench: StudyWorker, job: Job) -> bool:
    cell, kind = job
    return (bench.fitted(cell, kind) if kind else bench.tuned(cell)) is not None


def _show(bench: StudyWorker, stage: Stage, job: Job, progress: StudyProgress) -> None:
    cell, kind = job
    done = int(_finished(bench, job)) if kind else bench.trials_done(cell)
    progress.work(stage, stage.jobs.index(job) * stage.each + done, cell.name)


def _write(bench: StudyWorker, out: Path) -> Path:
    from .report_pages import write_pages
    from .study_document import tabulate

    document = tabulate(bench)
    write_json(out / "study.json", document)
    page: Path = write_pages(out, document)
    return page
