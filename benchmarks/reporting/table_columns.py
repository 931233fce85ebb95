"""The figures of a row as columns: one list for the page, Markdown and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .formatting import NONE, NOT_MEASURED, band, day, mib, milliseconds

Json = dict[str, Any]

WHAT, ACCURACY = "configuration", "accuracy"
ALONE, FILE = "model alone, ms", "from the file, ms"
PROCESS, ORIGIN = "process", "how it was measured"
DIGEST_CHARACTERS = 12


@dataclass(frozen=True)
class Column:
    """A figure of a row.

    Parameters
    ----------
    name : str
        Where columns stand alone.
    group : str
    short : str
        Below the heading of its group.
    value : callable
        Of a row: what it is sorted by; None where there is none.
    word : callable
        Of the value.
    more : callable
        Of a row: what softly stands behind, its interval.
    extra : bool
        Whether the page shows it only when asked for more.
    always : bool
        Whether it is shown though no row has it.
    """

    name: str
    group: str
    short: str
    value: Callable[[Json], Any]
    word: Callable[[Any], str] = str
    more: Callable[[Json], str] = lambda row: ""
    extra: bool = True
    always: bool = False

    def text(self, row: Json) -> str:
        """Return the words of a row's figure, without what stands behind."""
        value = self.value(row)
        if value is None:
            return NOT_MEASURED if self.group == ACCURACY else NONE
        return self.word(value)

    def whole(self, row: Json) -> str:
        """Return the words of a row's figure, with its interval."""
        return f"{self.text(row)} {self.more(row)}".rstrip()

    @property
    def is_words(self) -> bool:
        """Whether it leans left."""
        return self.name in ("model", "precision", "engine", "parity", "measured", "bundle digest")


def _at(row: Json, *path: str) -> Any:
    value: Any = row
    for key in path:
        value = (value or {}).get(key)
    return value


def _figure(name: str, group: str, short: str, *path: str, **more: Any) -> Column:
    return Column(name, group, short, lambda row: _at(row, *path), **more)


def _times(name: str, group: str, short: str, *path: str, **more: Any) -> Column:
    return _figure(name, group, short, *path, word=milliseconds, **more)


def _median(name: str, group: str, block: str) -> Column:
    def spread(row: Json) -> str:
        ends = _at(row, block, "ci")
        half = f"± {milliseconds((ends['high'] - ends['low']) / 2)}" if ends else ""
        return half or (band(row) if block == "latency" else "")

    return _times(name, group, "p50", block, "p50_ms", more=spread, extra=False)


def _mean(name: str, group: str, block: str) -> Column:
    def spread(row: Json) -> str:
        sd = _at(row, block, "sd_ms")
        return "" if sd is None else f"± {milliseconds(sd)}"

    return _times(name, group, "mean ± sd", block, "mean_ms", more=spread)


def _share(name: str, key: str, always: bool = False) -> Column:
    def interval(row: Json) -> str:
        found = _at(row, "accuracy", key)
        if found is None:
            return ""
        mark = ", seen images included" if row["accuracy"]["include_seen"] else ""
        return f"({found['low']:.3f}–{found['high']:.3f}{mark})"

    path = ("accuracy", key, "value")
    word = "{:.3f}".format
    return _figure(
        name, ACCURACY, name, *path, word=word, more=interval, extra=False, always=always
    )


def _model(row: Json) -> str:
    return str(row["model"]) + ("" if row["head"] in (None, "gap") else f" ({row['head']})")


def _file_mib(row: Json) -> float | None:
    return row["file_bytes"] / 2**20 if row["file_bytes"] else None


def _digest(row: Json) -> str | None:
    return row["digest"].removeprefix("sha256:")[:DIGEST_CHARACTERS] if row["digest"] else None


COLUMNS = (
    Column("model", WHAT, "model", _model, extra=False),
    _figure("precision", WHAT, "precision", "precision", extra=False),
    _figure("engine", WHAT, "engine", "backend", extra=False),
    _figure("threads", WHAT, "threads", "threads", extra=False),
    _median("p50 ms", ALONE, "latency"),
    _median("end to end p50 ms", FILE, "end_to_end"),
    _times("end to end p95 ms", FILE, "p95", "end_to_end", "p95_ms", extra=False),
    _figure("peak MiB", PROCESS, "peak MiB", "peak_mib", word=mib, extra=False),
    _share("accuracy", "accuracy", always=True),
    _share("sensitivity", "sensitivity"),
    _share("specificity", "specificity"),
    _share("AUC", "auc"),
    _figure("images judged", ACCURACY, "images judged", "accuracy", "images"),
    _figure("seen left out", ACCURACY, "seen left out", "accuracy", "seen_left_out"),
    *(_times(f"{p} ms", ALONE, p, "latency", f"{p}_ms") for p in ("p90", "p95", "p99")),
    _mean("mean ± sd ms", ALONE, "latency"),
    _times("load ms", ALONE, "load", "latency", "load_ms"),
    _times("first ms", ALONE, "first", "latency", "first_ms"),
    *(_times(f"end to end {p} ms", FILE, p, "end_to_end", f"{p}_ms") for p in ("p90", "p99")),
    _mean("end to end mean ± sd ms", FILE, "end_to_end"),
    _times("end to end first ms", FILE, "first", "end_to_end", "first_ms"),
    _times("fields/s", PROCESS, "fields/s", "throughput", "images_per_s"),
    _times("inferences/s", PROCESS, "inferences/s", "throughput", "inferences_per_s"),
    _times("cold start ms", PROCESS, "cold start ms", "cold_start_ms"),
    _times("CPU ms", PROCESS, "CPU ms", "cpu_ms"),
    _figure("steady MiB", PROCESS, "steady MiB", "steady_mib", word=mib),
    Column("file MiB", PROCESS, "file MiB", _file_mib, mib),
    Column("parity", ORIGIN, "parity", lambda row: row.get("parity")),
    Column("rounds", ORIGIN, "rounds", lambda row: row["rounds"] or None),
    Column("set aside", ORIGIN, "set aside", lambda row: row.get("set_aside") or None),
    Column("measured", ORIGIN, "measured", lambda row: row["measured_at"] or None, day),
    Column("bundle digest", ORIGIN, "bundle digest", _digest),
)
NAMED = {column.name: column for column in COLUMNS}


def shown(columns: Sequence[Column], rows: Sequence[Json]) -> list[Column]:
    """Return the columns that some row has a figure for, and those that always stand."""
    return [
        column
        for column in columns
        if column.always or any(column.value(row) is not None for row in rows)
    ]
