"""The evaluation of guards as a text table."""

from __future__ import annotations

from .guard_tallies import ANY, NAMES, Evaluation, Tally

MAX_FALSE_ALARMS, MIN_CATCHES = 0.05, 0.95


def format_table(evaluation: Evaluation) -> str:
    """Return the evaluation as a text table, followed by the verdicts."""
    rows: list[tuple[str, ...]] = [("", "images", *NAMES, ANY, "95 % interval of any")]
    if alarms := evaluation["false_alarms"]:
        rows.append(_row(f"false alarms, {alarms['folds']} folds", alarms))
    for pair in evaluation["between_cameras"] or ():
        label = f"{pair['asked']}, fitted on {pair['fitted_on']}"
        rows += [_row(label, pair["named"]), _row("… EXIF ignored", pair["nameless"])]
    if evaluation["smears"]:
        rows.append(_row("smears named", evaluation["smears"]))
    for group, kinds in (evaluation["fields"] or {}).items():
        rows += [_row(f"{group}: {kind}", counts) for kind, counts in kinds.items()]
    for name, half in evaluation["foreign"].items():
        rows.append(_row(f"no smear, {name.replace('_', ' ')}", half))
        rows += [_row(f"  {source}", counts) for source, counts in half["kinds"].items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for label, *cells in rows:
        numbers = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([label.ljust(widths[0]), *numbers]).rstrip())
    return "\n".join([*lines, *_verdicts(evaluation)])


def _row(label: str, counts: Tally) -> tuple[str, ...]:
    flags = counts["flags"]
    numbers = (str(flags[name]["count"]) for name in (*NAMES, ANY))
    interval = f"{flags[ANY]['low']:.1%} to {flags[ANY]['high']:.1%}"
    return label, str(counts["images"]), *numbers, interval


def _verdicts(evaluation: Evaluation) -> list[str]:
    caught = evaluation["foreign"]["untouched"]["flags"][ANY]["share"]
    verdict = "kept" if caught >= MIN_CATCHES else "MISSED"
    lines = [
        f"caught of the untouched half: {caught:.1%}, wanted at least {MIN_CATCHES:.0%}: {verdict}"
    ]
    if alarms := evaluation["false_alarms"]:
        share = alarms["flags"][ANY]["share"]
        verdict = "kept" if share <= MAX_FALSE_ALARMS else "MISSED"
        lines.append(f"false alarms: {share:.1%}, wanted at most {MAX_FALSE_ALARMS:.0%}: {verdict}")
    return lines
