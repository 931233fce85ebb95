"""The work of a study as Optuna trials in one storage, so that many processes can share it.

Every piece of work has a slot number. A process that dies leaves a running trial without a
heartbeat; whoever comes next fails it and offers its slot again, with the same parameters.
"""

from __future__ import annotations

import math
import re
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ...errors import UsageError
from ...runtime.metrics.metrics import Json

SLOT, RESULT = "slot", "result"
HEARTBEAT_S = 20  # between two signs of life
GRACE = 3  # heartbeats missed until a process counts as dead
SQLITE_WAIT_S = 120  # for another process' transaction
OPENING_ATTEMPTS = 4
DRIVERS = {"psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}  # module -> package
_LIVE = (TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE)

# the parameters of a slot, and the trial to report to -> (value to minimise, what came out)
Work = Callable[[Json], tuple[float, Json]]


def sqlite_url(path: Path) -> str:
    """Return the storage that lies in this file."""
    return f"sqlite:///{path.resolve().as_posix()}"


def masked(text: str) -> str:
    """Return a storage's URL, or a message that may hold it, without its password."""
    text = re.sub(r"(://[^:@/\s]*):\S*@", r"\1:***@", text)
    return re.sub(r"(password=)[^&\s'\"]+", r"\1***", text)


def open_storage(url: str, heartbeat_s: int = HEARTBEAT_S) -> optuna.storages.RDBStorage:
    """Open a storage, making its tables where it is new.

    Parameters
    ----------
    url : str
        As SQLAlchemy writes it.
    heartbeat_s : int

    Raises
    ------
    UsageError
        If the URL cannot be meant, nobody answers there, or its driver is not installed.
    """
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for attempt in range(OPENING_ATTEMPTS):
        try:
            return _open(url, heartbeat_s)
        except ImportError as error:
            module = getattr(error.__cause__, "name", None) or error.name or "a driver"
            package = DRIVERS.get(module, module)
            raise UsageError(
                f"the storage {masked(url)!r} needs the driver {package}, which is not installed",
                fix=f"pip install {package}",
            ) from None
        except (SQLAlchemyError, ValueError) as error:
            # two processes may make the tables at the same time: the second finds them made
            last = attempt == OPENING_ATTEMPTS - 1
            if last or isinstance(error, (ArgumentError, ValueError)):
                reason = masked(str(error).strip().splitlines()[0])
                raise UsageError(
                    f"the storage {masked(url)!r} cannot be opened: {reason}",
                    allowed="sqlite:///FILE, postgresql://USER@HOST/DATABASE, mysql://…",
                ) from None
            time.sleep(attempt + 1)
    raise AssertionError("unreachable")


def _open(url: str, heartbeat_s: int) -> optuna.storages.RDBStorage:
    sqlite = url.startswith("sqlite")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # heartbeats have been "experimental" for years
        storage = optuna.storages.RDBStorage(
            url,
            engine_kwargs={"connect_args": {"timeout": SQLITE_WAIT_S}} if sqlite else {},
            heartbeat_interval=heartbeat_s,
            grace_period=GRACE * heartbeat_s,
        )
    if sqlite:
        _one_at_a_time(storage.engine)
    return storage


def _one_at_a_time(engine: Any) -> None:
    """Let every transaction take SQLite's write lock when it begins, not when it first writes.

    Optuna takes a trial by reading that it waits and then writing that it runs. Other databases
    lock the row for that; SQLite ignores FOR UPDATE, so two processes could read, both write, and
    both do the trial.

    References
    ----------
    https://docs.sqlalchemy.org/en/20/dialects/sqlite.html, "Serializable isolation / Savepoints /
    Transactional DDL".
    """
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def _no_transaction_of_its_own(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver would begin at the first write

    @event.listens_for(engine, "begin")
    def _lock(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()  # of connections from before


class TrialQueue:
    """Slots of one kind: offered, taken, done.

    Parameters
    ----------
    storage : RDBStorage
    name : str
    """

    def __init__(self, storage: optuna.storages.RDBStorage, name: str) -> None:
        self.storage = storage
        self.study = optuna.create_study(
            storage=storage, study_name=name, direction="minimize", load_if_exists=True
        )
        self._silent: dict[int, float] = {}  # running trials without a heartbeat -> first seen

    def done(self) -> dict[int, FrozenTrial]:
        """Return the finished trial of every slot that has one."""
        found: dict[int, FrozenTrial] = {}
        for trial in self._trials():
            if trial.state == TrialState.COMPLETE:
                found.setdefault(trial.user_attrs[SLOT], trial)
        return found

    def offer(self, wanted: Mapping[int, Json]) -> None:
        """Offer slots that nobody has, is at or waits for; `wanted` gives their parameters."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optuna.storages.fail_stale_trials(self.study)
        self._fail_silent()
        live = {trial.user_attrs[SLOT] for trial in self._trials() if trial.state in _LIVE}
        for slot, parameters in wanted.items():
            if slot not in live:
                self.study.enqueue_trial(parameters, user_attrs={SLOT: slot})

    def _fail_silent(self) -> None:
        """Fail running trials that have given no sign of life at all for the time of grace.

        A process killed between taking a trial and its first heartbeat leaves one without any,
        which `fail_stale_trials` passes over for ever. The time runs from when this process first
        sees it: the clocks of several machines need not agree.
        """
        running = {t.number for t in self._trials() if t.state == TrialState.RUNNING}
        silent = running - self._heard() if running else running
        now = time.monotonic()
        self._silent = {number: self._silent.get(number, now) for number in silent}
        grace = self.storage.grace_period or 0
        for number, since in self._silent.items():
            if now - since > grace:
                self.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)

    def _heard(self) -> set[int]:
        """Return the trials of this study that have a heartbeat; Optuna has no call for it."""
        from sqlalchemy import text

        asked = text(
            "SELECT trials.number FROM trials "
            "JOIN studies ON studies.study_id = trials.study_id "
            "JOIN trial_heartbeats ON trial_heartbeats.trial_id = trials.trial_id "
            "WHERE studies.study_name = :name"
        )
        with self.storage.engine.connect() as connection:
            rows = connection.execute(asked, {"name": self.study.study_name})
            return {int(row[0]) for row in rows}

    def work(self, job: Work, space: Callable[[optuna.Trial], Json]) -> bool:
        """Take one offered slot and do it.

        Parameters
        ----------
        job : callable
        space : callable
            Asks a trial for its parameters.

        Returns
        -------
        bool
            False where none was on offer.
        """
        if not any(trial.state == TrialState.WAITING for trial in self._trials()):
            return False

        done = False

        def objective(trial: optuna.Trial) -> float:
            nonlocal done
            if SLOT not in trial.user_attrs or self._taken(trial):
                raise optuna.TrialPruned
            value, result = job(space(trial))
            done = True
            trial.set_user_attr(RESULT, result)
            return value if math.isfinite(value) else 1e9

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.study.optimize(objective, n_trials=1)
            except ValueError:  # the trial is over: while this process slept or was starved,
                if not done:  # others took it for dead and gave its slot away
                    raise
        return True

    def _taken(self, trial: optuna.Trial) -> bool:
        """Two processes may offer a slot at the same time: the lower number does it."""
        return any(
            other.state in _LIVE
            and other.number < trial.number
            and other.user_attrs[SLOT] == trial.user_attrs[SLOT]
            for other in self._trials()
        )

    def _trials(self) -> list[FrozenTrial]:
        return [t for t in self.study.get_trials(deepcopy=False) if SLOT in t.user_attrs]


def suggest(
    space: Mapping[str, optuna.distributions.BaseDistribution],
    earlier: list[FrozenTrial],
    *,
    seed: int,
    startup: int,
) -> dict[str, Any]:
    """Return what TPE would try next: a function of the seed and the earlier trials alone.

    Parameters
    ----------
    space : mapping of str to distribution
    earlier : list of FrozenTrial
        In the order of their slots.
    seed : int
        Of this slot: Optuna does not store a sampler's state, so every trial has its own.
    startup : int
        Trials that are drawn at random.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
    scratch = optuna.create_study(sampler=sampler, direction="minimize")
    scratch.add_trials(
        [
            optuna.create_trial(params=dict(t.params), distributions=dict(space), value=t.value)
            for t in earlier
        ]
    )
    return dict(scratch.ask(dict(space)).params)
