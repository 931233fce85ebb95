"""Queues the work of a study as Optuna trials in one storage that many processes share.

Every piece of work has a slot number. A process that dies leaves a running trial without a
heartbeat. The next process marks that trial as failed and offers its slot again, with the same
parameters.
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
HEARTBEAT_S = 20  # between two heartbeats
GRACE = 3  # heartbeats that a process may miss before it is taken for dead
SQLITE_WAIT_S = 120  # for the transaction of another process
OPENING_ATTEMPTS = 4
DRIVERS = {"psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}  # module -> package
_LIVE = (TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE)

# parameters of a slot -> (value to minimise, result to store)
Work = Callable[[Json], tuple[float, Mapping[str, Any]]]


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite storage in a file."""
    return f"sqlite:///{path.resolve().as_posix()}"


def masked(text: str) -> str:
    """Return a URL, or a message that contains one, with the password replaced by ``***``."""
    text = re.sub(r"(://[^:@/\s]*):\S*@", r"\1:***@", text)
    return re.sub(r"(password=)[^&\s'\"]+", r"\1***", text)


def open_storage(url: str, heartbeat_s: int = HEARTBEAT_S) -> optuna.storages.RDBStorage:
    """Open a storage; create its tables if it is new.

    Parameters
    ----------
    url : str
        As SQLAlchemy writes it.
    heartbeat_s : int
        Seconds between two heartbeats.

    Returns
    -------
    optuna.storages.RDBStorage

    Raises
    ------
    UsageError
        If the URL is wrong, no server answers, or its driver is not installed.
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
            # Two processes may create the tables at the same time. The second then succeeds.
            is_last = attempt == OPENING_ATTEMPTS - 1
            if is_last or isinstance(error, (ArgumentError, ValueError)):
                reason = masked(str(error).strip().splitlines()[0])
                raise UsageError(
                    f"the storage {masked(url)!r} cannot be opened: {reason}",
                    allowed="sqlite:///FILE, postgresql://USER@HOST/DATABASE, mysql://…",
                    fix="name another storage; if the file is damaged, another --out",
                ) from None
            time.sleep(attempt + 1)
    raise AssertionError("unreachable")


def _open(url: str, heartbeat_s: int) -> optuna.storages.RDBStorage:
    sqlite = url.startswith("sqlite")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls heartbeats experimental
        storage = optuna.storages.RDBStorage(
            url,
            engine_kwargs={"connect_args": {"timeout": SQLITE_WAIT_S}} if sqlite else {},
            heartbeat_interval=heartbeat_s,
            grace_period=GRACE * heartbeat_s,
        )
    if sqlite:
        _lock_at_begin(storage.engine)
    return storage


def _lock_at_begin(engine: Any) -> None:
    """Make every transaction take SQLite's write lock when it begins, not at its first write.

    Optuna reads that a trial waits, then writes that it runs. Other databases lock the row in
    between. SQLite ignores FOR UPDATE, so two processes could take the same trial.

    References
    ----------
    https://docs.sqlalchemy.org/en/20/dialects/sqlite.html, "Serializable isolation / Savepoints /
    Transactional DDL".
    """
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def _disable_driver_transactions(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver would begin one at the first write

    @event.listens_for(engine, "begin")
    def _begin_immediate(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()  # close the connections that were opened without these hooks


class TrialQueue:
    """A queue of slots that processes offer, take and finish.

    Parameters
    ----------
    storage : RDBStorage
    name : str
        Of the Optuna study that holds the slots.
    """

    def __init__(self, storage: optuna.storages.RDBStorage, name: str) -> None:
        self.storage = storage
        self.study = optuna.create_study(
            storage=storage, study_name=name, direction="minimize", load_if_exists=True
        )
        # Running trials that never had a heartbeat -> when this process first saw them.
        self._silent: dict[int, float] = {}

    def finished(self) -> dict[int, FrozenTrial]:
        """Return the finished trial of every slot that has one."""
        finished: dict[int, FrozenTrial] = {}
        for trial in self._trials():
            if trial.state == TrialState.COMPLETE:
                finished.setdefault(trial.user_attrs[SLOT], trial)
        return finished

    def offer(self, slots: Mapping[int, Mapping[str, Any]]) -> None:
        """Offer slots that are not finished, running or offered.

        Parameters
        ----------
        slots : mapping of int to mapping
            The parameters of each slot.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optuna.storages.fail_stale_trials(self.study)
        self._fail_silent()
        live = {trial.user_attrs[SLOT] for trial in self._trials() if trial.state in _LIVE}
        for slot, parameters in slots.items():
            if slot not in live:
                self.study.enqueue_trial(dict(parameters), user_attrs={SLOT: slot})

    def _fail_silent(self) -> None:
        """Mark running trials as failed if they had no heartbeat at all for the grace period.

        A process that is killed between taking a trial and its first heartbeat leaves such a
        trial, and `fail_stale_trials` ignores it. The period begins when this process first sees
        the trial, since the clocks of several machines may differ.
        """
        running = {t.number for t in self._trials() if t.state == TrialState.RUNNING}
        silent = running - self._with_heartbeat() if running else running
        now = time.monotonic()
        self._silent = {number: self._silent.get(number, now) for number in silent}
        grace = self.storage.grace_period or 0
        for number, since in self._silent.items():
            if now - since > grace:
                self.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)

    def _with_heartbeat(self) -> set[int]:
        """Return the trials of this study that had a heartbeat; Optuna has no function for it."""
        from sqlalchemy import text

        query = text(
            "SELECT trials.number FROM trials "
            "JOIN studies ON studies.study_id = trials.study_id "
            "JOIN trial_heartbeats ON trial_heartbeats.trial_id = trials.trial_id "
            "WHERE studies.study_name = :name"
        )
        with self.storage.engine.connect() as connection:
            rows = connection.execute(query, {"name": self.study.study_name})
            return {int(row[0]) for row in rows}

    def work(self, work: Work, parameters: Callable[[optuna.Trial], Json]) -> bool:
        """Take one offered slot, run its work and store the result.

        Parameters
        ----------
        work : callable
        parameters : callable
            Returns the parameters of a trial.

        Returns
        -------
        bool
            False if no slot was offered.
        """
        if not any(trial.state == TrialState.WAITING for trial in self._trials()):
            return False

        worked = False

        def objective(trial: optuna.Trial) -> float:
            nonlocal worked
            if SLOT not in trial.user_attrs or self._is_duplicate(trial):
                raise optuna.TrialPruned
            value, result = work(parameters(trial))
            worked = True
            trial.set_user_attr(RESULT, result)
            return value if math.isfinite(value) else 1e9

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.study.optimize(objective, n_trials=1)
            except ValueError:
                # Another process took this one for dead while it slept, and closed the trial.
                if not worked:
                    raise
        return True

    def _is_duplicate(self, trial: optuna.Trial) -> bool:
        """Return whether a trial with a lower number has the same slot.

        Two processes may offer a slot at the same time.
        """
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
    """Return the parameters that TPE suggests: a function of the seed and the earlier trials.

    Parameters
    ----------
    space : mapping of str to distribution
    earlier : list of FrozenTrial
        In the order of their slots.
    seed : int
        A different one for every slot. Optuna does not store the state of a sampler.
    startup : int
        Number of trials before which parameters are drawn at random.

    Returns
    -------
    dict
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
    memory = optuna.create_study(sampler=sampler, direction="minimize")
    memory.add_trials(
        [
            optuna.create_trial(
                params=dict(trial.params), distributions=dict(space), value=trial.value
            )
            for trial in earlier
        ]
    )
    return dict(memory.ask(dict(space)).params)
