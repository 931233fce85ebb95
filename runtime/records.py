"""The result of one image, and its three formats: text, JSON lines, CSV."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .terminal import printable

Status = Literal["ok", "review", "error"]
# Of the decoder, of the guards, and of the model.
FLAGS = (
    "assumed_range", "assumed_colour", "damaged", "several_images",
    "blurred", "exposure", "too_small", "off_domain", "unfamiliar_microscope",
    "indeterminate",
)  # fmt: skip
BAR_CELLS = 20
DIGEST_SHOWN = 12  # hex digits of the bundle's digest in the text output
SCORE_DIGITS, MS_DIGITS = 6, 2


@dataclass(frozen=True)
class Result:
    """The result of one image.

    Parameters
    ----------
    image : str or None
        The path as given; None for pixels.
    status : {"ok", "review", "error"}
        ``review`` if there are flags: a person should look at the image.
    label : str or None
    probability : float or None
        Of all positive labels together, calibrated, in [0, 1].
    scores : dict of str to float or None
        Calibrated probability of each label.
    threshold : float
        Least probability that gives a positive label.
    flags : tuple of str
        Of `FLAGS`: the reasons to review.
    bundle, digest, backend : str
        What computed the result.
    ms : float
        Milliseconds from opening the file to the result.
    error : str or None
        Why there is no label.
    """

    image: str | None
    status: Status
    label: str | None
    probability: float | None
    scores: dict[str, float] | None
    threshold: float
    flags: tuple[str, ...]
    bundle: str
    digest: str
    backend: str
    ms: float
    error: str | None = None

    @property
    def probability_of_label(self) -> float | None:
        """The calibrated probability of the label; None without a label."""
        return self.scores[self.label] if self.scores and self.label else None

    def to_json(self) -> dict[str, Any]:
        """Return the record as `alledge classify --json` prints it."""
        return {
            "image": self.image,
            "status": self.status,
            "label": self.label,
            "probability": _rounded(self.probability),
            "scores": self.scores
            and {name: _rounded(score) for name, score in self.scores.items()},
            "threshold": _rounded(self.threshold),
            "flags": list(self.flags),
            "bundle": self.bundle,
            "digest": self.digest,
            "backend": self.backend,
            "ms": round(self.ms, MS_DIGITS),
            "error": self.error,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, SCORE_DIGITS)


def json_line(result: Result) -> str:
    """Return the record as one line of JSON, in ASCII, which every console can show."""
    return json.dumps(result.to_json(), allow_nan=False)


def csv_header(labels: Sequence[str]) -> str:
    """Return the header of the CSV: the keys of the JSON, with one column of scores per label."""
    from .csv_cells import csv_row

    row: list[str] = []
    for key in Result.__dataclass_fields__:
        row += [f"scores.{label}" for label in labels] if key == "scores" else [key]
    return csv_row(row)


def csv_line(result: Result, labels: Sequence[str]) -> str:
    """Return the record as CSV; null is an empty cell, a space separates flags."""
    from .csv_cells import csv_row

    row: list[Any] = []
    for key, value in result.to_json().items():
        if key == "scores":
            row += [value and value[label] for label in labels]
        else:
            row.append(" ".join(value) if key == "flags" else value)
    return csv_row(row)


@dataclass
class TextTable:
    """The text output: one line per image, and a header and a footer.

    Parameters
    ----------
    labels : sequence of str
    width : int
        Width of the column of names, in characters.
    counts : dict of str to int
        Number of lines of each status.
    """

    labels: Sequence[str]
    width: int = 28
    counts: dict[str, int] = field(default_factory=lambda: {"ok": 0, "review": 0, "error": 0})

    def header(self, bundle: str, digest: str, engine: str, *, guarded: bool) -> str:
        """Return the line with bundle and engine, and a warning if there are no guards."""
        bundle, engine = printable(bundle), printable(engine)
        line = f"{bundle}  {printable(digest[: len('sha256:') + DIGEST_SHOWN])}  {engine}"
        return line if guarded else f"{line}  no guards: any image gets an answer"

    def legend(self, positive: Sequence[str], threshold: float) -> str:
        """Return the line that explains the percentages, which are those of the positive labels."""
        least, labels = f"{threshold:.1%}", ", ".join(map(printable, positive))
        if len(positive) == 1:
            return f"percent: the probability of {labels}; the label is {labels} from {least} on"
        return (
            f"percent: the probability of any of {labels}; one of them is the label from {least} on"
        )

    def line(self, result: Result) -> str:
        """Return the line of one image, and count its status."""
        self.counts[result.status] += 1
        name = printable(result.image or "(pixels)").ljust(self.width)
        if result.probability is None or result.label is None:
            return f"{name}  error   {printable(result.error or '')}"
        width = max(len(printable(label)) for label in self.labels)
        label = printable(result.label).ljust(width)
        bar = _bar(result.probability)
        line = f"{name}  {label}  {result.probability:6.1%}  {bar}"
        return f"{line}  review: {printable(', '.join(result.flags))}" if result.flags else line

    def footer(self, seconds: float) -> str:
        """Return the summary line."""
        total = sum(self.counts.values())
        parts = [f"{count} {status}" for status, count in self.counts.items() if count]
        rate = f"{total / seconds:.1f} a second" if total > 1 and seconds > 0 else None
        image = "image" if total == 1 else "images"
        summary = [f"{total} {image}: {', '.join(parts)}", f"{seconds:.2f} s", rate]
        return " · ".join(filter(None, [*summary, "research software, not a medical device"]))


def _bar(fraction: float) -> str:
    full, empty = "█", "░"
    try:
        (full + empty).encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        full, empty = "#", "."
    filled = round(fraction * BAR_CELLS)
    return full * filled + empty * (BAR_CELLS - filled)
