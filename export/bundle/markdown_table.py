"""Writes Markdown tables for model cards."""

from __future__ import annotations


def table(rows: list[list[str]]) -> str:
    """Return rows as a Markdown table; the first is the heading."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
