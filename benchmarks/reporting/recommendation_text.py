"""The words of a recommendation: what speaks for a row, and what its figures do not show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .formatting import mib, milliseconds
from .selection_criteria import (
    Limits,
    data_of,
    is_model_alone,
    name,
    sensitivity,
    specificity,
    wait_is,
    wait_ms,
)

Json = dict[str, Any]

UNJUDGED = (
    "No sensitivity was measured for any of them: it is the quickest, or the smallest of the about "
    "equally quick. That says nothing about how well it finds leukaemia."
)
POOR = 0.5  # a specificity below it calls most healthy smears leukaemic


def row_reason(where: str, row: Json) -> str:
    """Word what a row takes."""
    estimated = " (estimated, not measured)" if row["kind"] == "estimated" else ""
    if band := row.get("band_ms"):
        ends = f"{milliseconds(band['low'])} to {milliseconds(band['high'])}"
        estimated = f" (estimated, not measured: {ends} ms, as far as estimates have been off)"
    return (
        f"On {where} it takes {milliseconds(wait_ms(row))} ms ({wait_is(row)}) and "
        f"{mib(row['peak_mib'])} MiB{estimated}."
    )


def limit_reasons(row: Json, limits: Limits, every: int, sound: int, within: int) -> list[str]:
    """Word how the limits were held; `every`, `sound` and `within` count configurations."""
    reasons = []
    if limits != Limits():
        reasons.append(
            f"{within} of {every} configurations are within the limits ({limits.in_words()})."
        )
    if sound < every:
        reasons.append(
            f"{every - sound} of {every} failed parity: they do not compute what the float model "
            "computes, and are never recommended."
        )
    if limits.latency_ms is not None and is_model_alone(row):
        reasons.append(
            "Only the model alone is known of it, and the limit is on the way from the file to the "
            "answer: decoding and resizing come on top, and may break it."
        )
    return reasons


def judged_reasons(row: Json, groups: Sequence[Sequence[Json]], limits: Limits) -> list[str]:
    """Word the accuracy of what was taken.

    Parameters
    ----------
    row : dict
    groups : (judged, alike, sharp), sequences of dict
        Those within the limits that have a sensitivity, of them those judged on the same data, and
        of these the best.
    limits : Limits
    """
    judged, alike, sharp = groups
    figure, data = row["accuracy"]["sensitivity"], data_of(row)
    on = f" of {data['name']}" if data else ""
    reasons = [
        f"Its sensitivity is {_interval(figure)} on {figure['n']} images with blasts{on} that it "
        f"was not trained on, its specificity {_interval(row['accuracy']['specificity'])}. "
        f"{len(sharp)} of those within the limits are as sensitive and as specific, and it is the "
        "quickest of them, or the smallest of the about equally quick."
    ]
    if data.get("generated"):
        reasons.append(
            "These images are generated: the figures show that measuring works, and nothing about "
            "how well it finds leukaemia."
        )
    if (specificity(row) or 0.0) < POOR:
        reasons.append("With so low a specificity it calls most healthy smears leukaemic.")
    if limits.sensitivity is not None and figure["low"] < limits.sensitivity:
        reasons.append(
            "The lower end of that interval is below the limit: so few images do not prove it."
        )
    if len(alike) < len(judged):
        reasons.append(
            f"{len(judged) - len(alike)} others were judged on other data and are not ranked "
            "against it."
        )
    if len({one["accuracy"]["images"] for one in alike}) > 1:
        reasons.append(
            "Not all were judged on the same images, since each leaves out those it was trained on."
        )
    return reasons


def missed_reasons(
    every: Sequence[Json],
    sound: Sequence[Json],
    limits: Limits,
    nearest: tuple[str, Json] | None,
) -> list[str]:
    """Word why nothing is left; `nearest` is a place and a row."""
    counts: dict[str, int] = {}
    for row in sound:
        for key in limits.broken_by(row):
            counts[key] = counts.get(key, 0) + 1
    if len(sound) < len(every):
        counts["failed parity"] = len(every) - len(sound)
    said = ", ".join(f"{count} of {len(every)} by {key}" for key, count in counts.items())
    reasons = [f"The limits are {limits.in_words()}; excluded are {said}."]
    unmeasured = sum(sensitivity(row) is None for row in every)
    if limits.sensitivity is not None and unmeasured:
        reasons.append(
            f"{unmeasured} of {len(every)} have no measured sensitivity and cannot meet a limit "
            "on it: alledge benchmark BUNDLE --data D measures it."
        )
    if nearest is not None:
        where, row = nearest
        broken = {key: over for key, over in limits.broken_by(row).items() if over < float("inf")}
        over = ", ".join(f"{key} by {share - 1:.0%}" for key, share in broken.items())
        reasons += [f"Nearest is {name(row)} on {where}: it misses {over}."] if over else []
    return reasons


def _interval(figure: Json | None) -> str:
    if figure is None:
        return "not measured"
    return f"{figure['value']:.3f} (95 % interval {figure['low']:.3f} to {figure['high']:.3f})"
