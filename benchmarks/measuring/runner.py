"""The measuring itself: interleaved rounds, each in a process of its own, written as they come."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...errors import AlledgeError, BackendError
from ..statistics import widest
from .configurations import Configuration, Settings
from .machine_noise import between, is_noisy, look
from .processes import cold_start_ms, run_worker
from .rounds_log import Ledger

Json = dict[str, Any]
Watch = Callable[[str], None]

OK, FAILED = "ok", "failed"
IMAGE_TIMEOUT_S = 10.0  # an accuracy job may take so long for each image


class Runner:
    """Measures what a ledger does not hold yet.

    Parameters
    ----------
    ledger : Ledger
    settings : Settings
    image : Path
        What is timed end to end.
    data : dict or None
        ``data``, ``layout``, ``include_seen``, ``images`` (how many) of what accuracy is measured
        on. An artifact whose accuracy failed is not timed.
    deadline_s : float, optional
        Of `time.monotonic`: no round is begun after it.
    watch : callable
        Called with a line for each thing done.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        image: Path,
        data: Json | None,
        deadline_s: float | None = None,
        watch: Watch = lambda line: None,
    ) -> None:
        self._ledger, self._settings, self._image, self._data = ledger, settings, image, data
        self._deadline_s, self._watch = deadline_s, watch

    def run(self, wanted: Sequence[Configuration]) -> Iterator[bool]:
        """Measure; yield after each pass over the configurations.

        Yields
        ------
        bool
            True once everything is measured; the last thing that is yielded. Where the deadline
            came first, the last is False.
        """
        for one in {one.artifact: one for one in wanted}.values():
            if self._late():
                yield False
                return
            self._judge(one)
        for number in range(1, self._settings.max_rounds + 1):
            waiting = [one for one in wanted if self._needs(one, number)]
            # no configuration always comes after the same other one
            random.Random(number).shuffle(waiting)
            for place, one in enumerate(waiting, 1):
                if self._late():
                    yield False
                    return
                self._round(one, number, f"round {number}, {place}/{len(waiting)}")
            done = not any(self._needs(one, number + 1) for one in wanted)
            yield done
            if done:
                return

    def _late(self) -> bool:
        return self._deadline_s is not None and time.monotonic() > self._deadline_s

    def _needs(self, one: Configuration, number: int) -> bool:
        """Return whether a configuration still wants its round of this number."""
        rounds = self._ledger.rounds.get(one.key, [])
        if len(rounds) >= number or number > self._settings.max_rounds:
            return False
        if any(row["status"] == FAILED for row in rounds):
            return False
        if self._ledger.accuracy.get(one.artifact, {}).get("status") == FAILED:
            return False
        quiet = [row for row in rounds if not is_noisy(row["noise"])]
        if len(quiet) < self._settings.min_rounds:
            return True
        return widest([row["found"] for row in quiet]) > self._settings.width

    def _judge(self, one: Configuration) -> None:
        """Measure the accuracy of an artifact, once."""
        if self._data is None or one.artifact in self._ledger.accuracy:
            return
        job = {"work": "accuracy", **self._job(one), **self._data}
        record: Json = {"work": "accuracy", "key": one.artifact, "at": now()}
        timeout_s = max(self._settings.timeout_s, IMAGE_TIMEOUT_S * self._data["images"])
        with tempfile.TemporaryDirectory(prefix="alledge-benchmark-") as cache:
            try:
                found = run_worker(job, timeout_s, Path(cache))
                record |= {"status": OK, "found": found, "why": None}
            except BackendError as error:
                # nothing left to measure on is an answer, not a failure
                unmeasured = "nothing is left to measure" in error.what
                status = OK if unmeasured else FAILED
                record |= {"status": status, "found": None, "why": error.one_line}
        self._ledger.add(record)
        self._watch(f"accuracy  {one.bundle.name} {one.backend}: {record['status']}")

    def _round(self, one: Configuration, number: int, where: str) -> None:
        record: Json = {"work": "round", "key": one.key, "round": number, "at": now()}
        timeout_s = self._settings.timeout_s
        before = look()
        with tempfile.TemporaryDirectory(prefix="alledge-benchmark-") as cache:
            try:
                job = {"work": "round", **self._job(one)}
                found = run_worker(job, timeout_s, Path(cache))
                found["cold_start_ms"] = cold_start_ms(
                    one.bundle.path, one.backend, one.threads, self._image, timeout_s, Path(cache)
                )
                record |= {"status": OK, "found": found, "why": None}
            except AlledgeError as error:
                record |= {"status": FAILED, "found": None, "why": error.one_line}
        record["noise"] = between(before, look())
        self._ledger.add(record)
        self._watch(f"{where}  {one.title}: {_brief(record)}")

    def _job(self, one: Configuration) -> Json:
        return {
            "bundle": str(one.bundle.path),
            "backend": one.backend,
            "threads": one.threads,
            "image": str(self._image),
            "seconds": self._settings.seconds,
        }


def now() -> str:
    """Return the time, as documents hold it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _brief(record: Json) -> str:
    if record["status"] == FAILED:
        return f"failed: {record['why']}"
    samples = sorted(record["found"]["samples_ms"])
    return f"{samples[len(samples) // 2]:.2f} ms"
