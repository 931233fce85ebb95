"""Processes share the slots of a queue, and a slot of a dead process is run again."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from alledge.errors import UsageError
from alledge.runtime.metrics.metrics import Json
from alledge.train.study import trial_queue
from alledge.train.study.trial_queue import (
    GRACE,
    RESULT,
    SLOT,
    TrialQueue,
    open_storage,
    sqlite_url,
)

SLOTS = 24


def test_a_damaged_database_is_refused_by_its_name(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(trial_queue, "OPENING_ATTEMPTS", 1)
    (tmp_path / "study.db").write_bytes(b"x" * 5000)
    with pytest.raises(UsageError, match=r"study\.db(.|\n)*not a database(.|\n)*fix: ") as error:
        open_storage(sqlite_url(tmp_path / "study.db"))
    assert error.value.fix


def test_workers_that_share_a_file_run_each_slot_once(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "study.db")
    queues = [
        TrialQueue(open_storage(url), "tuning") for _ in range(4)
    ]  # each with its own database engine, as processes have
    queues[0].offer({slot: {"rate": 0.5} for slot in range(SLOTS)})
    taken: Counter[int] = Counter()
    errors: list[BaseException] = []

    def space(trial: optuna.Trial) -> Json:
        return {"slot": trial.user_attrs[SLOT], "rate": trial.suggest_float("rate", 0.0, 1.0)}

    def job(parameters: Json) -> tuple[float, Json]:
        taken[parameters["slot"]] += 1
        return 0.0, {}

    def worker(queue: TrialQueue) -> None:
        try:
            while queue.work(job, space):
                pass
        except Exception as error:  # pytest does not see errors of threads
            errors.append(error)

    threads = [threading.Thread(target=worker, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert taken == Counter(range(SLOTS))
    assert sorted(queues[0].finished()) == list(range(SLOTS))


def test_a_trial_taken_by_a_process_that_died_before_its_first_heartbeat_is_offered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    clock = SimpleNamespace(monotonic=lambda: now_s, sleep=time.sleep)
    monkeypatch.setattr(trial_queue, "time", clock)
    url = sqlite_url(tmp_path / "study.db")
    dead = TrialQueue(open_storage(url, heartbeat_s=1), "tuning")
    dead.offer({0: {}})
    dead.study.ask()  # taken, and the process is killed before its heartbeat begins
    queue = TrialQueue(open_storage(url, heartbeat_s=1), "tuning")
    done: list[bool] = []
    for _ in range(GRACE * 4):
        queue.offer({0: {}})
        done.append(queue.work(lambda _: (0.0, {}), lambda trial: {}))
        if done[-1]:
            break
        now_s += 0.5
    assert done[0] is False  # it might have been alive
    assert sorted(queue.finished()) == [0]
    states = [trial.state.name for trial in queue.study.get_trials()]
    assert states == ["FAIL", "COMPLETE"]


def test_a_process_taken_for_dead_drops_its_result_and_continues(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "study.db")
    slow, other = (TrialQueue(open_storage(url), "tuning") for _ in range(2))
    slow.offer({0: {}})

    def asleep(_: Json) -> tuple[float, Json]:
        other.study.tell(0, state=optuna.trial.TrialState.FAIL)
        other.offer({0: {}})
        assert other.work(lambda _: (0.25, {"by": "other"}), lambda trial: {})
        return 0.5, {"by": "slow"}

    assert slow.work(asleep, lambda trial: {})
    assert slow.finished()[0].user_attrs[RESULT] == {"by": "other"}

    def broken(_: Json) -> tuple[float, Json]:
        raise ValueError("error of the work")

    slow.offer({1: {}})
    with pytest.raises(ValueError, match="error of the work"):
        slow.work(broken, lambda trial: {})
