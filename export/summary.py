"""What `alledge export` prints when it has finished; imports no converter."""

from __future__ import annotations

from pathlib import Path

from ..runtime.terminal import printable
from ..runtime.text_table import text_table
from .convert.jobs import MEMORY_BUDGET_MIB
from .gate.parity import GATE
from .options import ExportOutcome
from .types import Artifact, Json

HEADING = ["format", "parity", "max Δp", "mean Δp", "agree", "lost", "review",
           "AUC float/artifact", "gate", "MiB"]  # fmt: skip


def summary(outcome: ExportOutcome, unsupported: dict[str, str] | None = None) -> str:
    """Return one line per artifact, then the path of the bundle and the next command.

    Parameters
    ----------
    outcome : ExportOutcome
    unsupported : dict of str to str, optional
        The formats that cannot do the precision, each with the reason.
    """
    unsupported = unsupported or {}
    out = outcome.options.out
    rows = [HEADING, *(_row(artifact, out) for artifact in outcome.artifacts.values())]
    rows += [[name, "refused", *["-"] * (len(HEADING) - 2)] for name in unsupported]
    return "\n".join(
        [
            text_table(rows, left=2),
            "",
            *[printable(f"{name} refused: {reason}") for name, reason in unsupported.items()],
            *_repairs(outcome),
            *_field_costs(outcome),
            _cost(outcome),
            f"bundle {printable(str(out))}",
            f"next: alledge verify {printable(str(out))}",
        ]
    )


def _cost(outcome: ExportOutcome) -> str:
    """Return the steps, the seconds and the memory of an export."""
    cached = sum(step.get("cached", False) for step in outcome.log)
    kept = f" ({cached} kept from an earlier export)" if cached else ""
    over = " (over the budget of 8 GiB)" if outcome.peak_mib > MEMORY_BUDGET_MIB else ""
    return (
        f"{len(outcome.log)} steps{kept}, {outcome.seconds:.0f} s, "
        f"peak memory of all processes {outcome.peak_mib} MiB{over}"
    )


def _row(artifact: Artifact, out: Path) -> list[str]:
    row = artifact.parity
    figures = ["-"] * 5
    if row["figures"] != GATE:  # the gate's own figures are no cost: its images chose the recipe
        figures = [
            f"{row['max_dp']:.4f}",
            f"{row['mean_dp']:.4f}",
            f"{row['agreement']:.3f}",
            str(row["lost_positives"]),
            str(row["to_review"]),
        ]
    size = sum(path.stat().st_size for path in _files(artifact, out)) / 2**20
    return [artifact.format_name, row["verdict"], *figures, *_gate(artifact), f"{size:.1f}"]


def _gate(artifact: Artifact) -> tuple[str, str]:
    """Return the AUC of the float model and the artifact, and the verdict of the gate."""
    gate = artifact.gate
    if gate is None:
        return "-", "-"
    if not gate["evaluated"]:
        return "-", "not evaluated"
    if cost := gate["cross_fitted"]:
        return f"{cost['auc_float']:.4f}/{cost['auc']:.4f}", "passed"
    return "-", f"passed, not cross-fitted ({gate['not_cross_fitted']})"


def _files(artifact: Artifact, out: Path) -> list[Path]:
    if artifact.format_name == "openvino":
        return [*out.glob("model.xml"), *out.glob("model.bin")]
    return list(out.glob(f"model.{artifact.format_name}"))


def _repairs(outcome: ExportOutcome) -> list[str]:
    """Return one line for each artifact whose first recipe did not pass."""
    lines = []
    for artifact in outcome.artifacts.values():
        failed = len((artifact.gate or {}).get("tried", [])) - 1
        if failed > 0:
            lines.append(
                f"{artifact.format_name}: {artifact.recipe.name}, after {failed} recipes outside "
                "the budget"
            )
    return [*lines, ""] if lines else []


def _field_costs(outcome: ExportOutcome) -> list[str]:
    """Return one line for each artifact of a cell model: lost blast cells and blast fields."""
    lines = []
    for artifact in outcome.artifacts.values():
        gate = artifact.gate or {}
        if not gate.get("fields"):
            continue
        cost = gate["cross_fitted"] or gate
        kind = "cross-fitted" if gate["cross_fitted"] else "gate"
        lines.append(f"{artifact.format_name}: {kind}, {_lost_of(cost)}")
    return [*lines, ""] if lines else []


def _lost_of(cost: Json) -> str:
    """Return lost cells and fields, of how many, with the intervals of the rates."""
    parts = []
    for figures, name in ((cost, "blast cells"), (cost["fields"], "blast fields")):
        rate = figures["lost_rate"]
        parts.append(
            f"{figures['lost_positives']} of {figures['float_positives']} {name} lost "
            f"({rate['low']:.1%} to {rate['high']:.1%})"
        )
    return ", ".join(parts)
