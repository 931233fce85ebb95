"""The result of one image, and its three formats: text, JSON lines, CSV."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .terminal import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .cells.field_rule import CellCounts
    from .cells.results import CellResult
    from .guards.measurements import Measurements
    from .previews import Preview

Status = Literal["ok", "review", "error"]
Task = Literal["field", "cell"]
Kind = Literal["field", "cell", "smear"]
# Of the decoder, of the guards, and of the model.
FLAGS = (
    "assumed_range", "assumed_colour", "damaged", "several_images",
    "blurred", "exposure", "too_small", "off_domain", "unfamiliar_microscope",
    "indeterminate", "too_few_cells",
)  # fmt: skip
KEYS = (
    "image", "status", "label", "probability", "scores", "threshold", "flags", "bundle", "digest",
    "backend", "ms", "error",
)  # fmt: skip
CELL_KEYS = ("as", "site", "cells", "counts")  # of the records of a cell bundle
PICTURE_KEYS = ("overlay", "overlay_error", "gallery", "gallery_error")  # no columns of CSV
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
        Why there is no result.
    overlay : str or None
        The file of the picture, if one was asked for.
    overlay_error : str or None
        Why the picture could not be written. The result does not depend on it.
    task : {"field", "cell"}
        Of the bundle.
    kind : {"field", "cell", "smear"} or None
        Of a cell bundle, what the image was taken as: a field, one cell, or all fields of a smear
        together. None for an error.
    site : str or None
        Name and version of the site profile that was used, such as ``"room-3@2"``.
    cells : tuple of CellResult or None
        Of a cell bundle, every cell of the image; None for a smear.
    counts : CellCounts or None
        Of a cell bundle, the leucocytes and blasts of the image or the smear.
    gallery : tuple of str or None
        The files of the pictures of its cells, if they were asked for.
    gallery_error : str or None
        As `overlay_error`.
    members : tuple of (str, str)
        Name and digest of each bundle, if several answered together.
    features : (N, D) ndarray of float32 or None
        What the model has under its last dense layer, if the classifier was loaded with
        ``features=True``: one row for each cell of `cells`, one row for an image that is judged as
        a whole. Not a part of the record.
    preview : Preview or None
        The image for people, if one was asked for; no part of the record.
    measurements : Measurements or None
        What the guards compare, if the classifier was loaded with ``measurements=True``; no part
        of the record.
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
    overlay: str | None = None
    overlay_error: str | None = None
    task: Task = "field"
    kind: Kind | None = None
    site: str | None = None
    cells: tuple[CellResult, ...] | None = None
    counts: CellCounts | None = None
    gallery: tuple[str, ...] | None = None
    gallery_error: str | None = None
    members: tuple[tuple[str, str], ...] = ()
    features: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    preview: Preview | None = field(default=None, repr=False, compare=False)
    measurements: Measurements | None = field(default=None, repr=False, compare=False)

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
            **(self._cells_to_json() if self.task == "cell" else {}),
            **({"site": self.site} if self.task == "field" and self.site else {}),
            **self._members_to_json(),
            **self._pictures_to_json(),
        }

    def _pictures_to_json(self) -> dict[str, Any]:
        values = {key: getattr(self, key) for key in PICTURE_KEYS}
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in values.items()
            if value is not None
        }

    def _members_to_json(self) -> dict[str, Any]:
        rows = [{"bundle": name, "digest": digest} for name, digest in self.members]
        return {"members": rows} if rows else {}

    def _cells_to_json(self) -> dict[str, Any]:
        return {
            "as": self.kind,
            "site": self.site,
            "cells": None if self.cells is None else [cell.to_json() for cell in self.cells],
            "counts": self.counts and self.counts.to_json(),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, SCORE_DIGITS)


def json_line(result: Result) -> str:
    """Return the record as one line of JSON, in ASCII, which every console can show."""
    return json.dumps(result.to_json(), allow_nan=False)


def csv_header(labels: Sequence[str], task: Task = "field", site: str | None = None) -> str:
    """Return the header of the CSV: the keys of the JSON, with one column of scores per label.

    The counts of a cell bundle are columns too. Its cells are rows of a file of their own.
    """
    from .csv_cells import csv_row

    row: list[str] = []
    for key in KEYS:
        row += [f"scores.{label}" for label in labels] if key == "scores" else [key]
    if task == "cell":
        from .cells.tables import COUNT_COLUMNS

        row += ["as", "site", *COUNT_COLUMNS]
    elif site is not None:
        row.append("site")
    return csv_row(row)


def csv_line(result: Result, labels: Sequence[str]) -> str:
    """Return the record as CSV; null is an empty cell, a space separates flags."""
    from .csv_cells import csv_row

    row: list[Any] = []
    record = result.to_json()
    for key in KEYS:
        value = record[key]
        if key == "scores":  # a field has no score of cells that are not counted
            row += [value and value.get(label) for label in labels]
        else:
            row.append(" ".join(value) if key == "flags" else value)
    if result.task == "cell":
        from .cells.tables import count_row

        row += [result.kind, result.site, *count_row(result.counts)]
    elif result.site is not None:
        row.append(result.site)
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

    def header(
        self, bundle: str, digest: str, engine: str, *, guarded: bool, site: str | None = None
    ) -> str:
        """Return the line with bundle, engine and site, and a warning if there are no guards."""
        bundle, engine = printable(bundle), printable(engine)
        line = f"{bundle}  {printable(digest[: len('sha256:') + DIGEST_SHOWN])}  {engine}"
        line += "" if site is None else f"  site {site}"
        return line if guarded else f"{line}  no guards: any image gets an answer"

    def legend(self, positive: Sequence[str], threshold: float, task: Task = "field") -> str:
        """Return the line that explains the percentages, which are those of the positive labels."""
        if task == "cell":
            names = " or ".join(map(printable, positive))
            return (
                f"percent: the probability that the field has a {names}, its label from "
                f"{threshold:.1%} on; counts with their 95 % interval"
            )
        least, labels = f"{threshold:.1%}", ", ".join(map(printable, positive))
        if len(positive) == 1:
            return f"percent: the probability of {labels}; the label is {labels} from {least} on"
        return (
            f"percent: the probability of any of {labels}; one of them is the label from {least} on"
        )

    def line(self, result: Result) -> str:
        """Return the line of one image, and count its status."""
        if result.kind != "smear":
            self.counts[result.status] += 1
        name = printable(_name(result)).ljust(self.width)
        if result.status == "error":
            return f"{name}  error   {printable(result.error or '')}"
        width = max(len(printable(label)) for label in self.labels)
        label = printable(result.label or "").ljust(width)
        parts = [name, label]
        if result.probability is None:
            parts.append(" " * (6 + 2 + BAR_CELLS))
        else:
            parts += [f"{result.probability:6.1%}", _bar(result.probability)]
        if result.kind == "cell":
            parts.append("one cell")
        elif result.counts is not None:
            from .cells.tables import counts_text

            parts.append(counts_text(result.counts, result.cells or ()))
        if result.flags:
            parts.append(f"review: {printable(', '.join(result.flags))}")
        return "  ".join(parts)

    def footer(self, seconds: float) -> str:
        """Return the summary line."""
        total = sum(self.counts.values())
        parts = [f"{count} {status}" for status, count in self.counts.items() if count]
        rate = f"{total / seconds:.1f} a second" if total > 1 and seconds > 0 else None
        image = "image" if total == 1 else "images"
        summary = [f"{total} {image}: {', '.join(parts)}", f"{seconds:.2f} s", rate]
        return " · ".join(filter(None, [*summary, "research software, not a medical device"]))


def _name(result: Result) -> str:
    if result.kind == "smear" and result.counts is not None:
        return f"smear, fields: {result.counts.fields}"
    return result.image or "(pixels)"


def _bar(fraction: float) -> str:
    full, empty = "█", "░"
    try:
        (full + empty).encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        full, empty = "#", "."
    filled = round(fraction * BAR_CELLS)
    return full * filled + empty * (BAR_CELLS - filled)
