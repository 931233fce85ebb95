"""Measures configurations in interleaved rounds, and writes each round to the log at once."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ...errors import AlledgeError, BackendError
from ...runtime.data.layout_types import ReadOptions
from ..statistics import widest_interval
from ..types import AccuracyJob, AccuracyOutcome, AccuracyRecord, ModelJob, RoundRecord, TimedRound
from .configurations import BenchmarkOptions, Configuration
from .machine_noise import is_noisy, noise_between, read_machine_state
from .processes import cold_start_ms, run_worker
from .rounds_log import RoundsLog

SECONDS_PER_IMAGE = 10.0  # time limit of an accuracy job for each image


@dataclass(frozen=True)
class AccuracyData:
    """The data set that accuracy is measured on.

    Parameters
    ----------
    path : str
    read_options : ReadOptions
        How it is read.
    include_seen : bool
        As `evaluate_bundle`.
    images : int
        Number of images, which sets the time limit.
    """

    path: str
    read_options: ReadOptions
    include_seen: bool
    images: int


class Runner:
    """Measures the rounds that the log does not hold yet.

    Parameters
    ----------
    log : RoundsLog
    options : BenchmarkOptions
    image : Path
        The image that is timed end to end.
    data : AccuracyData or None
        An artifact whose accuracy could not be measured is not timed.
    deadline_s : float, optional
        No round starts after this time of `time.monotonic`.
    report_progress : callable
        Called with a message after each round.
    """

    def __init__(
        self,
        log: RoundsLog,
        options: BenchmarkOptions,
        image: Path,
        data: AccuracyData | None,
        deadline_s: float | None = None,
        report_progress: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._log, self._options, self._image, self._data = log, options, image, data
        self._deadline_s, self._report_progress = deadline_s, report_progress

    def run(self, configurations: Sequence[Configuration]) -> Iterator[bool]:
        """Measure; yield after each pass over the configurations.

        Yields
        ------
        bool
            Whether everything is measured. The last value is True, or False if the deadline
            passed before.
        """
        for configuration in {one.artifact_key: one for one in configurations}.values():
            if self._is_late():
                yield False
                return
            self._measure_accuracy(configuration)
        for number in range(1, self._options.max_rounds + 1):
            pending = [one for one in configurations if self._needs_round(one, number)]
            # A new order in each pass: no configuration always follows the same other one.
            random.Random(number).shuffle(pending)
            for position, configuration in enumerate(pending, 1):
                if self._is_late():
                    yield False
                    return
                progress = f"round {number}, {position}/{len(pending)}"
                self._measure_round(configuration, number, progress)
            done = not any(self._needs_round(one, number + 1) for one in configurations)
            yield done
            if done:
                return

    def _is_late(self) -> bool:
        return self._deadline_s is not None and time.monotonic() > self._deadline_s

    def _needs_round(self, configuration: Configuration, number: int) -> bool:
        """Return whether the round of this number is still to be measured."""
        rounds = self._log.rounds.get(configuration.key, [])
        if len(rounds) >= number or number > self._options.max_rounds:
            return False
        if any(record["status"] == "failed" for record in rounds):
            return False
        accuracy = self._log.accuracy.get(configuration.artifact_key)
        if accuracy is not None and accuracy["status"] == "failed":
            return False
        quiet = [
            record["found"]
            for record in rounds
            if record["found"] is not None and not is_noisy(record["noise"])
        ]
        if len(quiet) < self._options.min_rounds:
            return True
        return widest_interval(quiet) > self._options.width

    def _measure_accuracy(self, configuration: Configuration) -> None:
        """Measure the accuracy of an artifact, unless the log already holds it."""
        if self._data is None or configuration.artifact_key in self._log.accuracy:
            return
        labels = self._data.read_options.labels_file
        job: AccuracyJob = {
            "bundle": str(configuration.bundle.path),
            "backend": configuration.backend,
            "threads": configuration.threads,
            "data": self._data.path,
            "layout": self._data.read_options.layout,
            "positive": list(self._data.read_options.positive),
            "labels_file": None if labels is None else str(labels),
            "include_seen": self._data.include_seen,
        }
        record: AccuracyRecord = {
            "work": "accuracy",
            "key": configuration.artifact_key,
            "at": utc_now(),
            "status": "ok",
            "found": None,
            "why": None,
        }
        timeout_s = max(self._options.timeout_s, SECONDS_PER_IMAGE * self._data.images)
        with tempfile.TemporaryDirectory(prefix="alledge-benchmark-") as cache:
            try:
                outcome: AccuracyOutcome = run_worker("accuracy", job, timeout_s, Path(cache))
                record["found"], record["why"] = outcome["document"], outcome["why"]
            except BackendError as error:
                record["status"], record["why"] = "failed", error.one_line
        self._log.add(record)
        name = f"{configuration.bundle.name} {configuration.backend}"
        self._report_progress(f"accuracy  {name}: {record['status']}")

    def _measure_round(self, configuration: Configuration, number: int, progress: str) -> None:
        job: ModelJob = {
            "bundle": str(configuration.bundle.path),
            "backend": configuration.backend,
            "threads": configuration.threads,
            "image": str(self._image),
            "seconds": self._options.seconds,
        }
        at, timeout_s, before = utc_now(), self._options.timeout_s, read_machine_state()
        figures: TimedRound | None = None
        why = None
        with tempfile.TemporaryDirectory(prefix="alledge-benchmark-") as cache:
            try:
                figures = run_worker("round", job, timeout_s, Path(cache))
                cold_start = cold_start_ms(job, timeout_s, Path(cache))
                figures = {**figures, "cold_start_ms": cold_start}
            except AlledgeError as error:
                figures, why = None, error.one_line
        record: RoundRecord = {
            "work": "round",
            "key": configuration.key,
            "round": number,
            "at": at,
            "status": "failed" if figures is None else "ok",
            "found": figures,
            "why": why,
            "noise": noise_between(before, read_machine_state()),
        }
        self._log.add(record)
        self._report_progress(f"{progress}  {configuration.title}: {_summary(record)}")


def utc_now() -> str:
    """Return the current time as the documents store it: ISO 8601, UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _summary(record: RoundRecord) -> str:
    if record["found"] is None:
        return f"failed: {record['why']}"
    samples = sorted(record["found"]["samples_ms"])
    return f"{samples[len(samples) // 2]:.2f} ms"
