"""The columns of all tables of results: the page, Markdown and the terminal share them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .formatting import NONE, NOT_MEASURED, band, day, mib, milliseconds
from .selection_criteria import is_model_alone
from .types import Row

CONFIGURATION, ACCURACY = "configuration", "accuracy"
MODEL_ALONE, FROM_FILE = "model alone, ms", "from the file, ms"
STAGES = "one field of cells, ms"
PROCESS, ORIGIN = "process", "how it was measured"
DIGEST_CHARACTERS = 12
TEXT_COLUMNS = ("machine", "model", "precision", "engine", "parity", "measured", "bundle digest")


@dataclass(frozen=True)
class Column:
    """One figure of a row.

    Parameters
    ----------
    name : str
        Heading where the columns have no groups.
    group : str
        Heading above several columns.
    short : str
        Heading below that of the group.
    value : callable
        Returns the value of a row, by which the table is sorted; None where there is none.
    word : callable
        Formats the value.
    more : callable
        Returns the interval of a row's value as text.
    extra : bool
        Whether the page hides the column until the user asks for more columns.
    always : bool
        Whether the column is shown even if no row has a value.
    """

    name: str
    group: str
    short: str
    value: Callable[[Row], Any]
    word: Callable[[Any], str] = str
    more: Callable[[Row], str] = lambda row: ""
    extra: bool = True
    always: bool = False

    def text(self, row: Row) -> str:
        """Return the figure of a row as text, without its interval."""
        value = self.value(row)
        if value is None:
            return NOT_MEASURED if self.group == ACCURACY else NONE
        return self.word(value)

    def whole(self, row: Row) -> str:
        """Return the figure of a row as text, with its interval."""
        return f"{self.text(row)} {self.more(row)}".rstrip()

    @property
    def is_text(self) -> bool:
        """Whether the column holds text, which is aligned left."""
        return self.name in TEXT_COLUMNS


def shown(columns: Sequence[Column], rows: Sequence[Row]) -> list[Column]:
    """Return the columns for which some row has a value, and those that are always shown."""
    return [
        column
        for column in columns
        if column.always or any(column.value(row) is not None for row in rows)
    ]


def _at(row: Any, *path: str) -> Any:
    for key in path:
        row = (row or {}).get(key)
    return row


def _figure(name: str, group: str, short: str, *path: str, **more: Any) -> Column:
    return Column(name, group, short, lambda row: _at(row, *path), **more)


def _time(name: str, group: str, short: str, *path: str, **more: Any) -> Column:
    return _figure(name, group, short, *path, word=milliseconds, **more)


def _median(name: str, group: str, block: str) -> Column:
    def spread(row: Row) -> str:
        if ends := _at(row, block, "ci"):
            return f"± {milliseconds((ends['high'] - ends['low']) / 2)}"
        is_estimated_block = block == ("latency" if is_model_alone(row) else "end_to_end")
        return band(row) if is_estimated_block else ""

    return _time(name, group, "p50", block, "p50_ms", more=spread, extra=False)


def _mean(name: str, group: str, block: str) -> Column:
    def spread(row: Row) -> str:
        deviation = _at(row, block, "sd_ms")
        return "" if deviation is None else f"± {milliseconds(deviation)}"

    return _time(name, group, "mean ± sd", block, "mean_ms", more=spread)


def _share(name: str, key: str, always: bool = False) -> Column:
    def interval(row: Row) -> str:
        figure = _at(row, "accuracy", key)
        if figure is None:
            return ""
        seen = ", seen images included" if _at(row, "accuracy", "include_seen") else ""
        return f"({figure['low']:.3f}–{figure['high']:.3f}{seen})"

    path = ("accuracy", key, "value")
    word = "{:.3f}".format
    return _figure(
        name, ACCURACY, name, *path, word=word, more=interval, extra=False, always=always
    )


def _cell_share(name: str, key: str) -> Column:
    def interval(row: Row) -> str:
        figure = _at(row, "accuracy", "cells", key)
        return "" if figure is None else f"({figure['low']:.3f}–{figure['high']:.3f})"

    path = ("accuracy", "cells", key, "value")
    return _figure(name, ACCURACY, name, *path, word="{:.3f}".format, more=interval)


def _model(row: Row) -> str:
    name = str(row["model"]) + ("" if row["head"] in (None, "gap") else f" ({row['head']})")
    return f"{name}, cells" if row.get("task") == "cell" else name


def _file_mib(row: Row) -> float | None:
    return row["file_bytes"] / 2**20 if row["file_bytes"] else None


def _digest(row: Row) -> str | None:
    return row["digest"].removeprefix("sha256:")[:DIGEST_CHARACTERS] if row["digest"] else None


COLUMNS = (
    Column("model", CONFIGURATION, "model", _model, extra=False),
    _figure("precision", CONFIGURATION, "precision", "precision", extra=False),
    _figure("engine", CONFIGURATION, "engine", "backend", extra=False),
    _figure("threads", CONFIGURATION, "threads", "threads", extra=False),
    _median("p50 ms", MODEL_ALONE, "latency"),
    _median("end to end p50 ms", FROM_FILE, "end_to_end"),
    _time("end to end p95 ms", FROM_FILE, "p95", "end_to_end", "p95_ms", extra=False),
    _figure("cells", STAGES, "cells", "stages", "cells", extra=False),
    _time("decode ms", STAGES, "decode", "stages", "decode_ms", extra=False),
    _time("detect ms", STAGES, "detect", "stages", "detect_ms", extra=False),
    _time("judge ms", STAGES, "judge all", "stages", "judge_ms", extra=False),
    _time("judge a cell ms", STAGES, "judge one", "stages", "cell_ms"),
    _figure("peak MiB", PROCESS, "peak MiB", "peak_mib", word=mib, extra=False),
    _share("accuracy", "accuracy", always=True),
    _share("sensitivity", "sensitivity"),
    _share("specificity", "specificity"),
    _share("AUC", "auc"),
    _cell_share("cell sensitivity", "sensitivity"),
    _cell_share("cell specificity", "specificity"),
    _cell_share("cell AUC", "auc"),
    _figure("cells judged", ACCURACY, "cells judged", "accuracy", "cells", "images"),
    _figure("images judged", ACCURACY, "images judged", "accuracy", "images"),
    _figure("seen left out", ACCURACY, "seen left out", "accuracy", "seen_left_out"),
    _time("p90 ms", MODEL_ALONE, "p90", "latency", "p90_ms"),
    _time("p95 ms", MODEL_ALONE, "p95", "latency", "p95_ms"),
    _time("p99 ms", MODEL_ALONE, "p99", "latency", "p99_ms"),
    _mean("mean ± sd ms", MODEL_ALONE, "latency"),
    _time("load ms", MODEL_ALONE, "load", "latency", "load_ms"),
    _time("first ms", MODEL_ALONE, "first", "latency", "first_ms"),
    _time("end to end p90 ms", FROM_FILE, "p90", "end_to_end", "p90_ms"),
    _time("end to end p99 ms", FROM_FILE, "p99", "end_to_end", "p99_ms"),
    _mean("end to end mean ± sd ms", FROM_FILE, "end_to_end"),
    _time("end to end first ms", FROM_FILE, "first", "end_to_end", "first_ms"),
    _time("fields/s", PROCESS, "fields/s", "throughput", "images_per_s"),
    _time("inferences/s", PROCESS, "inferences/s", "throughput", "inferences_per_s"),
    _time("cold start ms", PROCESS, "cold start ms", "cold_start_ms"),
    _time("CPU ms", PROCESS, "CPU ms", "cpu_ms"),
    _figure("steady MiB", PROCESS, "steady MiB", "steady_mib", word=mib),
    Column("file MiB", PROCESS, "file MiB", _file_mib, mib),
    Column("parity", ORIGIN, "parity", lambda row: row.get("parity")),
    Column("rounds", ORIGIN, "rounds", lambda row: row["rounds"] or None),
    Column("set aside", ORIGIN, "set aside", lambda row: row.get("set_aside") or None),
    Column("measured", ORIGIN, "measured", lambda row: row["measured_at"] or None, day),
    Column("bundle digest", ORIGIN, "bundle digest", _digest),
)
COLUMN_BY_NAME = {column.name: column for column in COLUMNS}
