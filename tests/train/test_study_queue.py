"""Tests of the slots that the processes of a study share."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import optuna

from alledge.runtime.metrics import Json
from alledge.train.study_queue import SLOT, Shelf, open_storage, sqlite_url

SLOTS = 24


def test_workers_that_share_a_file_do_each_slot_once(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "study.db")
    shelves = [Shelf(open_storage(url), "tuning") for _ in range(4)]  # an engine each, as processes
    shelves[0].offer({slot: {"rate": 0.5} for slot in range(SLOTS)})
    taken: Counter[int] = Counter()
    troubles: list[BaseException] = []

    def space(trial: optuna.Trial) -> Json:
        return {"slot": trial.user_attrs[SLOT], "rate": trial.suggest_float("rate", 0.0, 1.0)}

    def job(parameters: Json) -> tuple[float, Json]:
        taken[parameters["slot"]] += 1
        return 0.0, {}

    def worker(shelf: Shelf) -> None:
        try:
            while shelf.work(job, space):
                pass
        except Exception as error:  # a thread's error would be lost
            troubles.append(error)

    threads = [threading.Thread(target=worker, args=(shelf,)) for shelf in shelves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles
    assert taken == Counter(range(SLOTS))
    assert sorted(shelves[0].done()) == list(range(SLOTS))
