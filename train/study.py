"""``alledge study`` from its options to the finished page: who does what, and in what order.

All results lie in the storage; the folder of a study holds that (where it is SQLite), the state
of a fine-tuning in progress, and the page, which is written again after every stage.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..errors import UsageError
from ..runtime.files import write_json
from .features import FeatureCache
from .progress import Shown, TrainingProgress
from .study_features import Features
from .study_plan import BASE, Cell, Plan, StudyOrder, make_plan
from .study_queue import HEARTBEAT_S, open_storage, sqlite_url
from .study_work import Bench

DATABASE, SETTINGS = "study.db", "settings.json"
WAIT_S = 1.0  # before looking again at what other processes have done


@dataclass(frozen=True)
class Shared:
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


class StudyProgress(Shown):
    """What remains: trials, fits and fine-tunings, each with its bar and the time left.

    Parameters
    ----------
    quiet : bool
    """

    def __init__(self, quiet: bool) -> None:
        self.console = Console(stderr=True, quiet=quiet)
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[now]}"),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, what: str, done: int, total: int, now: str = "") -> None:
        """Set a bar; a line where there is no terminal, when the cell changes."""
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total, now="")
        before = self._bar.tasks[self._tasks[what]].fields["now"]
        self._bar.update(self._tasks[what], completed=done, total=total, now=now)
        if not self.console.is_terminal and now != before:
            self.say(f"{what}: {done} of {total} done; {now}")


def study(order: StudyOrder, shared: Shared, *, quiet: bool = False) -> Path:
    """Do what is left of a study, alone or with other processes, and write its page.

    Parameters
    ----------
    order : StudyOrder
    shared : Shared
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
        plan = make_plan(order, partial(progress.show, now=""))
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / SETTINGS, plan.settings)
        storage = open_storage(shared.storage or sqlite_url(out / DATABASE), shared.heartbeat_s)
        features = Features(plan, FeatureCache(shared.cache), progress.say)
        bench = Bench(plan, features, storage, out / "fits", TrainingProgress(quiet=True))
        for stage in (_tuning(plan), _fits(plan), *_fine_tuning(plan)):
            _work_off(bench, list(stage), progress)
            page = _write(bench, out)
    return page


# a cell and what to do in it; the empty kind is tuning
Job = tuple[Cell, str]


def _tuning(plan: Plan) -> Iterator[Job]:
    return ((cell, "") for cell in plan.cells())


def _fits(plan: Plan) -> Iterator[Job]:
    """Everything on cached features: cheap, and so before any base is fine-tuned."""
    cells = plan.cells()
    return ((cell, kind) for cell in cells for kind in plan.kinds(cell.model) if kind != BASE)


def _fine_tuning(plan: Plan) -> Iterator[list[Job]]:
    """One stage a model and split: the page is written again after each."""
    jobs = [(cell, BASE) for cell in plan.cells() if BASE in plan.kinds(cell.model)]
    for _, stage in groupby(jobs, key=lambda job: (job[0].model, job[0].split)):
        yield list(stage)


def _work_off(bench: Bench, jobs: list[Job], progress: StudyProgress) -> None:
    """Do jobs until all are done, here or elsewhere."""
    left = list(jobs)
    while left:
        worked, rest = False, []
        for job in left:
            cell, kind = job
            while not (finished := _finished(bench, job)):
                _show(bench, jobs, job, progress)
                if not (bench.fit(cell, kind) if kind else bench.tune(cell)):
                    break
                worked = True
            if not finished:
                rest.append(job)
        left = rest
        if left and not worked:
            time.sleep(WAIT_S)  # others have what is left, or have died and are waited out
    if jobs:
        _show(bench, jobs, jobs[-1], progress)


def _finished(bench: Bench, job: Job) -> bool:
    cell, kind = job
    return (bench.fitted(cell, kind) if kind else bench.tuned(cell)) is not None


def _show(bench: Bench, jobs: list[Job], job: Job, progress: StudyProgress) -> None:
    cell, kind = job
    if not kind:
        each = bench.plan.order.trials
        at = jobs.index(job) * each + bench.trials_done(cell)
        progress.show("trials", at, each * len(jobs), cell.name)
        return
    done = jobs.index(job) + _finished(bench, job)
    what = f"fine-tunings of {cell.model}, {cell.split}" if kind == BASE else "fits"
    progress.show(what, done, len(jobs), cell.name)


def _write(bench: Bench, out: Path) -> Path:
    from .study_page import write_pages
    from .study_table import tabulate

    document = tabulate(bench)
    write_json(out / "study.json", document)
    page: Path = write_pages(out, document)
    return page
