"""How figures are worded, on the page, in Markdown and on the terminal: one place for all."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

NONE, NOT_MEASURED = "–", "not measured"
DAY = len("2026-01-31")


def milliseconds(value: float | None) -> str:
    """Word a time: three figures are what it is worth."""
    if value is None:
        return NONE
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def mib(value: float | None) -> str:
    """Word an amount of memory."""
    return NONE if value is None else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def day(moment: str) -> str:
    """Word a moment of a document: its day."""
    return moment[:DAY] or NONE


def band(row: Json) -> str:
    """Word how far estimates have been off; empty for what was measured."""
    ends = row.get("band_ms")
    return f"({milliseconds(ends['low'])}–{milliseconds(ends['high'])})" if ends else ""


def machine_line(machine: Json) -> str:
    """Word a machine in a line."""
    cores = machine.get("cores_physical") or machine.get("cores_logical")
    parts = [machine.get("board"), machine.get("cpu"), f"{cores} cores" if cores else None]
    if machine.get("quota_cores"):
        parts.append(f"quota {machine['quota_cores']:g} cores")
    if machine.get("memory_mib"):
        parts.append(f"{machine['memory_mib'] / 1024:.0f} GiB")
    parts.append(machine.get("os"))
    parts.append(f"Python {machine['python']}" if machine.get("python") else None)
    return ", ".join(str(part) for part in dict.fromkeys(parts) if part)


def data_line(data: Json) -> str:
    """Word a data set in a line."""
    made = ", generated: no real smear" if data["generated"] else ""
    return f"{data['name']}, {data['images']} images{made}"


def document_line(document: Json) -> str:
    """Word which source wrote a document, and when."""
    source = f"commit {document['commit']}" if document["commit"] else "no git checkout"
    rest = "" if document["complete"] is not False else ", not complete"
    return f"{day(document['created'])}, alledge {document['alledge']}, {source}{rest}"


def notes(row: Json) -> list[tuple[str, str]]:
    """Return what a reader must know of a row's figures: a tag's word, and a sentence.

    Parameters
    ----------
    row : dict
        Of a document, or as `merge` returns it.
    """
    found = []
    if row["kind"] == "estimated":
        found.append(("estimated", row.get("basis") or "not measured"))
    if row.get("parity") == "fail":
        found.append(("parity: fail", "it does not compute what the float model computes"))
    if row["noise"]:
        found.append(("noisy", "; ".join(row["noise"])))
    if row.get("set_aside"):
        count = row["set_aside"]
        rounds = "disturbed round is" if count == 1 else "disturbed rounds are"
        found.append(("set aside", f"{count} {rounds} not in the figures"))
    if row["reached_width"] is False:
        found.append(("wide", "an interval is wider than was asked for"))
    if "repeats" in row:
        ends = row["repeats"]
        why = f"measured {ends['times']} times: medians {ends['low_ms']} to {ends['high_ms']} ms"
        found.append(("newest", why))
    return found + _accuracy_notes(row)


def _accuracy_notes(row: Json) -> list[tuple[str, str]]:
    found = []
    accuracy, judged = row["accuracy"] or {}, row.get("judged") or {}
    if accuracy.get("include_seen"):
        count = accuracy.get("seen_included", "some")
        found.append(("seen images", f"{count} images it was trained on are in its accuracy"))
    if accuracy.get("failed"):
        found.append(("unreadable", f"{accuracy['failed']} images could not be read"))
    if judged and judged["at"] != row["measured_at"]:
        found.append(("older accuracy", f"its accuracy was measured on {day(judged['at'])}"))
    return found
