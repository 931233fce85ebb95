"""Writes the matrix of all conversions as a Markdown page; imports no converter."""

from __future__ import annotations

import textwrap

from ...train.networks.architectures import ARCHITECTURES, HEADS, count_parameters, head_row
from ..bundle.markdown_table import table
from ..convert.capabilities import PRECISIONS
from ..convert.jobs import MEMORY_BUDGET_MIB
from ..types import Json

WIDTH = 100  # characters
OK, REFUSED, FAILED = "ok", "refused", "failed"
HEADING = ["model", "head", "precision", "format", "status", "MiB", "max_Δp", "mean_Δp",
           "agreement", "lost", "verdict", "seconds", "peak_MiB"]  # fmt: skip


def page(record: Json) -> str:
    """Return the record as Markdown: the matrix, then the cost of each head."""
    rows = [HEADING]
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in record["rows"].values():
        name = [row["model"], row["head"], row["precision"], row["form"]]
        rows.append([*name, *_figures(row)])
        if reason := row.get("reason"):
            reasons.setdefault((row["status"], reason), []).append("/".join(name))
    over = [row for row in record["rows"].values() if row.get("peak_mib", 0) > MEMORY_BUDGET_MIB]
    bases = {key.split("/")[0]: head["weights"] for key, head in record["heads"].items()}
    kinds = "; ".join(f"{model}: {weights}" for model, weights in sorted(bases.items()))
    about = (
        f"Heads fitted on generated smears; base weights {kinds}. Seconds and peak memory cover "
        f"the steps from `model.keras` to the artifact; {len(over)} rows are above "
        f"{MEMORY_BUDGET_MIB} MiB. No gate is evaluated here: a verdict is about Δp on the "
        "references, not about lost positives."
    )
    notes = [
        f"- {status}: {', '.join(names)}: {reason}" for (status, reason), names in reasons.items()
    ]
    parts = [
        "# Every model, precision and format",
        _wrapped(about),
        table(rows),
        *(["\n".join(_wrapped(note, "  ") for note in notes)] if notes else []),
        "## Cost of a head",
        table(_heads(record)),
    ]
    return "\n\n".join(parts) + "\n"


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _figures(row: Json) -> list[str]:
    if row["status"] != OK:
        return [row["status"], *["-"] * 8]
    return [
        OK,
        f"{row['bytes'] / 2**20:.1f}",
        f"{row['max_dp']:.5f}",
        f"{row['mean_dp']:.5f}",
        f"{row['agreement']:.3f}",
        str(row["lost_positives"]),
        row["verdict"],
        f"{row['seconds']:.0f}",
        str(row["peak_mib"]),
    ]


def _heads(record: Json) -> list[list[str]]:
    sizes: dict[str, dict[str, str]] = {}
    for row in record["rows"].values():
        if row["status"] == OK and row["form"] == "tflite":
            size = sizes.setdefault(f"{row['model']}/{row['head']}", {})
            size[row["precision"]] = f"{row['bytes'] / 2**20:.1f}"
    rows = [["model", "head", "parameters", "GFLOPs", *(f"{name}, MiB" for name in PRECISIONS)]]
    for name, row in ARCHITECTURES.items():
        for head in HEADS:
            key = f"{name}/{head}"
            flops = record["heads"].get(key, {}).get("flops")
            parameters = f"{count_parameters(row, head_row(head)).network:,}"
            gflops = "-" if flops is None else f"{flops / 1e9:.2f}"
            mib = [sizes.get(key, {}).get(precision, "-") for precision in PRECISIONS]
            rows.append([name, head, parameters, gflops, *mib])
    return rows
