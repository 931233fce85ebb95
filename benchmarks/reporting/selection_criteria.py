"""What rows are compared by: waiting time, memory, sensitivity; and the limits on them."""

from __future__ import annotations

from dataclasses import dataclass

from ..types import DataBlock
from .types import Figure, Row


@dataclass(frozen=True)
class Limits:
    """Limits of a user; None is no limit.

    Parameters
    ----------
    latency_ms : float, optional
        Largest waiting time, as `wait_ms` returns it.
    memory_mib : float, optional
        Largest peak memory of the process.
    sensitivity : float, optional
        Smallest measured sensitivity, 0 to 1.
    """

    latency_ms: float | None = None
    memory_mib: float | None = None
    sensitivity: float | None = None

    def in_words(self) -> str:
        """Return the limits as text."""
        parts = []
        if self.latency_ms is not None:
            parts.append(f"at most {self.latency_ms:g} ms from the file to the answer")
        if self.memory_mib is not None:
            parts.append(f"at most {self.memory_mib:g} MiB")
        if self.sensitivity is not None:
            parts.append(f"a sensitivity of at least {self.sensitivity:g}")
        return ", ".join(parts) or "no limits"

    def broken_by(self, row: Row) -> dict[str, float]:
        """Return the limits that a row breaks and by which factor; infinite if unknown."""
        unknown = float("inf")
        factors = {}
        if self.latency_ms is not None and (wait := wait_ms(row)) > self.latency_ms:
            factors["latency"] = wait / self.latency_ms
        if self.memory_mib is not None:
            peak = row["peak_mib"]
            if peak is None or peak > self.memory_mib:
                factors["memory"] = peak / self.memory_mib if peak else unknown
        if self.sensitivity is not None:
            value = sensitivity(row)
            if value is None or value < self.sensitivity:
                factors["sensitivity"] = self.sensitivity / value if value else unknown
        return factors


def wait_ms(row: Row) -> float:
    """Return the waiting time of a row, in milliseconds.

    It is the time from the file to the answer, or of the model alone where no more is known; of
    each the 95th percentile, or the median where the samples are too few for it.
    """
    return _wait(row)[0]


def wait_is(row: Row) -> str:
    """Return in words what `wait_ms` is for this row."""
    return _wait(row)[1]


def _wait(row: Row) -> tuple[float, str]:
    for times, scope in ((row["end_to_end"], "from the file"), (row["latency"], "the model alone")):
        if times and times["p95_ms"] is not None:
            return float(times["p95_ms"]), f"{scope}, 95th percentile"
        if times and times["p50_ms"] is not None:
            return float(times["p50_ms"]), f"{scope}, median"
    return float("inf"), "unknown"


def sensitivity(row: Row) -> float | None:
    """Return the sensitivity on unseen images; None if it was not measured on such."""
    figure = unseen_figure(row, "sensitivity")
    return float(figure["value"]) if figure else None


def specificity(row: Row) -> float | None:
    """Return the specificity on unseen images; None if it was not measured on such."""
    figure = unseen_figure(row, "specificity")
    return float(figure["value"]) if figure else None


def unseen_figure(row: Row, name: str) -> Figure | None:
    """Return a proportion with its interval, if no image in it was used for training."""
    accuracy = row["accuracy"]
    if accuracy is None or accuracy["include_seen"]:
        return None
    figure: Figure | None = accuracy[name]
    return figure


def data_of(row: Row) -> DataBlock | None:
    """Return the data set that the accuracy of a row was measured on; None if unknown."""
    return row["judged"]["data"] if "judged" in row else None


def is_model_alone(row: Row) -> bool:
    """Return whether only the time of the model alone is known, as of an estimated field model."""
    return not row["end_to_end"]


def failed_parity(row: Row) -> bool:
    """Return whether the artifact of a row does not compute what the float model computes."""
    return row.get("parity") == "fail"


def configuration_name(row: Row) -> str:
    """Return the name of a configuration: model, precision, engine and threads."""
    plural = "" if row["threads"] == 1 else "s"
    head = "" if row["head"] in (None, "gap") else f" ({row['head']} head)"
    bundle = f"{row['model']}{head} {row['precision']}"
    return f"{bundle}, {row['backend']}, {row['threads']} thread{plural}"
