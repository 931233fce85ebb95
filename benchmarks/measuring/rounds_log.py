"""The log of rounds: one line for each round, so that an interrupted measurement can continue."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...runtime.files import write_json
from ..types import AccuracyRecord, RoundRecord

CONDITIONS, ROUNDS = "conditions.json", "rounds.jsonl"


class RoundsLog:
    """The records in the folder of a measurement.

    Parameters
    ----------
    out : Path
        The folder. It is created if it does not exist.
    conditions : dict
        JSON values that must be equal for all rounds of the folder: machine, duration of a
        round, timed image, data set.

    Attributes
    ----------
    rounds : dict of str to list of RoundRecord
        By the key of the configuration, in the order of measuring.
    accuracy : dict of str to AccuracyRecord
        By the key of the artifact.

    Raises
    ------
    UsageError
        If the folder holds rounds that were measured under other conditions.
    """

    def __init__(self, out: Path, conditions: dict[str, Any]) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._file = out / ROUNDS
        stored = out / CONDITIONS
        if stored.is_file():
            _check_conditions(out, json.loads(stored.read_text(encoding="utf-8")), conditions)
        elif self._file.exists():
            raise UsageError(f"{out} has {ROUNDS} but no {CONDITIONS}", fix="--out ANOTHER-FOLDER")
        else:
            write_json(stored, conditions)
        self.rounds: dict[str, list[RoundRecord]] = {}
        self.accuracy: dict[str, AccuracyRecord] = {}
        for record in self._read():
            self._index(record)

    def add(self, record: RoundRecord | AccuracyRecord) -> None:
        """Append a record. It is on the disk when this method returns."""
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, allow_nan=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._index(record)

    def _index(self, record: RoundRecord | AccuracyRecord) -> None:
        if record["work"] == "accuracy":
            self.accuracy[record["key"]] = record
        else:
            self.rounds.setdefault(record["key"], []).append(record)

    def _read(self) -> Iterator[RoundRecord | AccuracyRecord]:
        """Yield the records. Remove an incomplete last line, which a killed process leaves."""
        if not self._file.is_file():
            return
        content = self._file.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]
        if len(complete) < len(content):
            with self._file.open("r+b") as stream:
                stream.truncate(len(complete))
        for line in complete.decode("utf-8").splitlines():
            yield json.loads(line)


def _check_conditions(out: Path, stored: dict[str, Any], current: dict[str, Any]) -> None:
    for key, before in stored.items():
        now = current[key]
        if before == now:
            continue
        parts = [part for part in before or () if before[part] != (now or {}).get(part)]
        differs = f"{key} ({', '.join(parts[:3])})" if parts else key
        raise UsageError(
            f"{out} holds rounds that were measured under other conditions: "
            f"the {differs} was not the same",
            fix="--out ANOTHER-FOLDER, or the same options on the same machine",
        )
