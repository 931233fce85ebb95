"""The matrix of all conversions as a page of Markdown; imports no converter."""

from __future__ import annotations

from typing import Any

from .capabilities import PRECISIONS
from .card import table
from .jobs import MEMORY_BUDGET_MIB

Json = dict[str, Any]
OK, REFUSED, FAILED = "ok", "refused", "failed"
HEADING = [
    "model",
    "head",
    "precision",
    "format",
    "status",
    "MiB",
    "max_Δp",
    "mean_Δp",
    "agreement",
    "lost",
    "verdict",
    "seconds",
    "peak_MiB",
]


def page(record: Json) -> str:
    """Return the record as Markdown: the matrix, then what a head costs."""
    rows = [HEADING]
    notes = []
    for row in record["rows"].values():
        rows.append([row["model"], row["head"], row["precision"], row["form"], *_figures(row)])
        if reason := row.get("reason"):
            name = "/".join((row["model"], row["head"], row["precision"], row["form"]))
            notes.append(f"- {name}: {row['status']}: {reason}")
    over = [row for row in record["rows"].values() if row.get("peak_mib", 0) > MEMORY_BUDGET_MIB]
    kinds = sorted(
        {f"{key.split('/')[0]}: {head['weights']}" for key, head in record["heads"].items()}
    )
    return (
        "\n\n".join(
            [
                "# Every model, precision and format",
                "Heads fitted on generated smears; base weights "
                f"{'; '.join(kinds)}. Seconds and memory from `model.keras` to the artifact, one "
                f"process a step; {len(over)} rows above {MEMORY_BUDGET_MIB} MiB.",
                table(rows),
                "\n".join(notes),
                "## What a head costs",
                table(_heads(record)),
            ]
        )
        + "\n"
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
    for key, cost in record["heads"].items():
        model, head = key.split("/")
        work = "-" if cost["flops"] is None else f"{cost['flops'] / 1e9:.2f}"
        of = [sizes.get(key, {}).get(name, "-") for name in PRECISIONS]
        rows.append([model, head, f"{cost['parameters']:,}", work, *of])
    return rows
