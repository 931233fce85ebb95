"""The sentences of a recommendation."""

from __future__ import annotations

from collections.abc import Sequence

from .formatting import mib, milliseconds
from .selection_criteria import (
    Limits,
    configuration_name,
    data_of,
    is_model_alone,
    sensitivity,
    specificity,
    unseen_figure,
    wait_is,
    wait_ms,
)
from .types import Figure, Row

UNJUDGED = (
    "No sensitivity was measured for any of them: it is the quickest, or the smallest of the about "
    "equally quick. That says nothing about how well it finds leukaemia."
)
LOW_SPECIFICITY = 0.5  # below it, most healthy smears are called leukaemic


def row_reason(site_title: str, row: Row) -> str:
    """Return a sentence on the waiting time and memory of a row."""
    estimated = " (estimated, not measured)" if row["kind"] == "estimated" else ""
    if band := row.get("band_ms"):
        ends = f"{milliseconds(band['low'])} to {milliseconds(band['high'])}"
        estimated = f" (estimated, not measured: {ends} ms, as far as estimates have been off)"
    return (
        f"On {site_title} it takes {milliseconds(wait_ms(row))} ms ({wait_is(row)}) and "
        f"{mib(row['peak_mib'])} MiB{estimated}."
    )


def limit_reasons(row: Row, limits: Limits, every: int, sound: int, within: int) -> list[str]:
    """Return sentences on the limits.

    Parameters
    ----------
    row : Row
        What was chosen.
    limits : Limits
    every, sound, within : int
        Number of configurations: all, those that did not fail parity, those within the limits.
    """
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
            "Only the time of the model alone is known, and the limit is on the time from the file "
            "to the answer: decoding and resizing come on top, and may break it."
        )
    return reasons


def judged_reasons(row: Row, groups: Sequence[Sequence[Row]], limits: Limits) -> list[str]:
    """Return sentences on the accuracy of what was chosen.

    Parameters
    ----------
    row : Row
        It has a sensitivity on unseen images.
    groups : (judged, same_data, best), sequences of Row
        Of the rows within the limits those with a sensitivity, of these those judged on the same
        data, and of these the most sensitive and specific.
    limits : Limits
    """
    judged, same_data, best = groups
    figure, data = unseen_figure(row, "sensitivity"), data_of(row)
    if figure is None:
        return []
    of_data = f" of {data['name']}" if data else ""
    reasons = [
        f"Its sensitivity is {_interval(figure)} on {figure['n']} images with blasts{of_data} that "
        "it was not trained on, "
        f"its specificity {_interval(unseen_figure(row, 'specificity'))}. "
        f"{len(best)} of those within the limits are as sensitive and as specific, and it is the "
        "quickest of them, or the smallest of the about equally quick."
    ]
    if data and data["generated"]:
        reasons.append(
            "These images are generated: the figures show that measuring works, and nothing about "
            "how well it finds leukaemia."
        )
    if (specificity(row) or 0.0) < LOW_SPECIFICITY:
        reasons.append("With so low a specificity it calls most healthy smears leukaemic.")
    if limits.sensitivity is not None and figure["low"] < limits.sensitivity:
        reasons.append(
            "The lower end of that interval is below the limit: so few images do not prove it."
        )
    if len(same_data) < len(judged):
        others = len(judged) - len(same_data)
        reasons.append(f"{others} others were judged on other data and are not ranked against it.")
    if len({one["accuracy"]["images"] for one in same_data if one["accuracy"]}) > 1:
        reasons.append(
            "Not all were judged on the same images, since each leaves out those it was trained on."
        )
    return reasons


def missed_reasons(
    every: Sequence[Row],
    sound: Sequence[Row],
    limits: Limits,
    nearest: tuple[str, Row] | None,
) -> list[str]:
    """Return sentences on why no row is left.

    Parameters
    ----------
    every, sound : sequence of Row
        All rows, and those that did not fail parity.
    limits : Limits
    nearest : (str, Row), optional
        The row that misses the limits least, and the title of its site.
    """
    counts: dict[str, int] = {}
    for row in sound:
        for key in limits.broken_by(row):
            counts[key] = counts.get(key, 0) + 1
    if len(sound) < len(every):
        counts["failed parity"] = len(every) - len(sound)
    excluded = ", ".join(f"{count} of {len(every)} by {key}" for key, count in counts.items())
    reasons = [f"The limits are {limits.in_words()}; excluded are {excluded}."]
    unmeasured = sum(sensitivity(row) is None for row in every)
    if limits.sensitivity is not None and unmeasured:
        reasons.append(
            f"{unmeasured} of {len(every)} have no measured sensitivity and cannot meet a limit "
            "on it: alledge benchmark BUNDLE --data D measures it."
        )
    if nearest is not None:
        title, row = nearest
        known = {key: by for key, by in limits.broken_by(row).items() if by < float("inf")}
        misses = ", ".join(f"{key} by {factor - 1:.0%}" for key, factor in known.items())
        if misses:
            reasons.append(f"Nearest is {configuration_name(row)} on {title}: it misses {misses}.")
    return reasons


def _interval(figure: Figure | None) -> str:
    if figure is None:
        return "not measured"
    return f"{figure['value']:.3f} (95 % interval {figure['low']:.3f} to {figure['high']:.3f})"
