"""What was measured so far, a line a round: a run that was killed goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...runtime.files import write_json

Json = dict[str, Any]

ORDER, ROUNDS = "order.json", "rounds.jsonl"


class Ledger:
    """The folder of a measurement.

    Parameters
    ----------
    out : Path
        Made where there is none.
    order : dict
        What must be the same for rounds to belong together: the machine, the seconds and the
        image of a round, the data.

    Raises
    ------
    UsageError
        If the folder holds rounds of another order.
    """

    def __init__(self, out: Path, order: Json) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._file = out / ROUNDS
        place = out / ORDER
        if place.is_file():
            _compare(out, json.loads(place.read_text(encoding="utf-8")), order)
        elif self._file.exists():
            raise UsageError(f"{out} has {ROUNDS} but no {ORDER}", fix="--out ANOTHER-FOLDER")
        else:
            write_json(place, order)
        self.rounds: dict[str, list[Json]] = {}
        self.accuracy: dict[str, Json] = {}
        for record in self._read():
            self._keep(record)

    def add(self, record: Json) -> None:
        """Write a record; it is on the disk when this returns."""
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, allow_nan=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._keep(record)

    def _keep(self, record: Json) -> None:
        if record["work"] == "accuracy":
            self.accuracy[record["key"]] = record
        else:
            self.rounds.setdefault(record["key"], []).append(record)

    def _read(self) -> Iterator[Json]:
        """Yield the records; a last line that a kill cut short is removed."""
        if not self._file.is_file():
            return
        content = self._file.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with self._file.open("r+b") as stream:
                stream.truncate(len(whole))
        for line in whole.decode("utf-8").splitlines():
            yield json.loads(line)


def _compare(out: Path, before: Json, now: Json) -> None:
    for key, was in before.items():
        if was != now[key]:
            parts = [part for part in was if was[part] != (now[key] or {}).get(part)] if was else []
            what = f"{key} ({', '.join(parts[:3])})" if parts else key
            raise UsageError(
                f"{out} holds rounds of another order: the {what} was not the same",
                fix="--out ANOTHER-FOLDER, or go on with the same options on the same machine",
            )
