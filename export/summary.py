"""What `alledge export` prints when it is done; imports no converter."""

from __future__ import annotations

from pathlib import Path

from ..runtime.text_table import text_table
from .convert.jobs import MEMORY_BUDGET_MIB
from .gate.parity import GATE
from .options import Artifact, ExportOutcome


def summary(result: ExportOutcome, refused: dict[str, str] | None = None) -> str:
    """Return one line an artifact, then where the bundle is and what to type next.

    Parameters
    ----------
    result : ExportOutcome
    refused : dict of str to str, optional
        Why a format was left out that cannot do the precision, by its name.
    """
    left_out = refused or {}
    order = result.order
    rows = [
        [
            "format",
            "parity",
            "max Δp",
            "mean Δp",
            "agree",
            "lost",
            "review",
            "AUC float/artifact",
            "gate",
            "MiB",
        ]
    ]
    rows += [_row(made, order.out) for made in result.made.values()]
    rows += [[form, "refused", *["-"] * (len(rows[0]) - 2)] for form in left_out]
    peak = max((step.get("peak_mib", 0) for step in result.log), default=0)
    seconds = sum(step.get("seconds", 0.0) for step in result.log)
    over = " (over the budget of 8 GiB)" if peak > MEMORY_BUDGET_MIB else ""
    return "\n".join(
        [
            text_table(rows, left=2),
            "",
            *[f"{form} refused: {reason}" for form, reason in left_out.items()],
            *_recipes(result),
            f"{len(result.log)} steps, {seconds:.0f} s, at most {peak} MiB at once{over}",
            f"bundle {order.out}",
            f"next: alledge verify {order.out}",
        ]
    )


def _row(made: Artifact, out: Path) -> list[str]:
    row, gate = made.parity, made.gate
    # what is the gate's own is no cross-fitted cost: its images chose the recipe
    shown = row["figures"] != GATE
    size = sum(path.stat().st_size for path in _files(made, out)) / 2**20
    areas, verdict = "-", "-"
    if gate is not None and gate["evaluated"]:
        if cost := gate["cross_fitted"]:
            areas = f"{cost['auc_float']:.4f}/{cost['auc']:.4f}"
        verdict = "passed" if cost else f"passed, not cross-fitted ({gate['not_cross_fitted']})"
    elif gate is not None:
        verdict = "not evaluated"
    return [
        made.form,
        row["verdict"],
        f"{row['max_dp']:.4f}" if shown else "-",
        f"{row['mean_dp']:.4f}" if shown else "-",
        f"{row['agreement']:.3f}" if shown else "-",
        str(row["lost_positives"]) if shown else "-",
        str(row["to_review"]) if shown else "-",
        areas,
        verdict,
        f"{size:.1f}",
    ]


def _files(made: Artifact, out: Path) -> list[Path]:
    return (
        sorted(out.glob("model.xml")) + sorted(out.glob("model.bin"))
        if (made.form == "openvino")
        else sorted(out.glob(f"model.{made.form}"))
    )


def _recipes(result: ExportOutcome) -> list[str]:
    lines = []
    for made in result.made.values():
        if made.gate is not None and len(made.gate.get("tried", [])) > 1:
            lines.append(
                f"{made.form}: {made.recipe.name}, after {len(made.gate['tried']) - 1} "
                "recipes outside the budget"
            )
    return [*lines, ""] if lines else []
