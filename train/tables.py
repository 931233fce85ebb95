"""What the commands of the training room print as text; imports no more than the rows do."""

from __future__ import annotations

from typing import Any

from ..runtime.metrics import Json


def columns(rows: list[list[str]], *, left: int = 1) -> str:
    """Return rows as aligned text.

    Parameters
    ----------
    rows : list of list of str
        The first is the heading.
    left : int
        How many columns are flushed left; the others, numbers, are flushed right.

    Returns
    -------
    str
    """
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def models_table(document: Json) -> str:
    """Return the document of ``alledge models`` as a table."""
    heading = ["model", "head", "trainable", "non-trainable", "optimizer", "total"]
    rows = [[*heading, "MB float32", "MB int8", "base in the paper", "epochs", "reported"]]
    for row in document["models"]:
        for name, head in row["heads"].items():
            paper = row["paper"] if name == "paper" else None
            rows.append(
                [
                    row["name"],
                    name,
                    *(f"{head[key]:,}" for key in ("trainable", "non_trainable")),
                    *(f"{head[key]:,}" for key in ("optimizer", "total")),
                    *(f"{head[key]:.1f}" for key in ("float32_mb", "int8_mb")),
                    *_paper(paper),
                ]
            )
    return columns(rows, left=2)


def _paper(paper: dict[str, Any] | None) -> list[str]:
    if paper is None:
        return ["", "", ""]
    return [paper["base"], str(paper["epochs"]), f"{paper['reported_accuracy']:.2%}"]
