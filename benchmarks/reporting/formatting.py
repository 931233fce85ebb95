"""Formats figures, machines and documents as text, for the page, Markdown and the terminal."""

from __future__ import annotations

from ..types import DataBlock, Machine
from .types import DocumentFacts, Row

NONE, NOT_MEASURED = "–", "not measured"
DATE_CHARACTERS = len("2026-01-31")


def milliseconds(value: float | None) -> str:
    """Return a time with about three significant digits; a dash for None.

    >>> milliseconds(3.14159), milliseconds(12.34), milliseconds(1234.5)
    ('3.14', '12.3', '1234')
    """
    if value is None:
        return NONE
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def mib(value: float | None) -> str:
    """Return an amount of memory in MiB; a dash for None."""
    return NONE if value is None else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def day(moment: str) -> str:
    """Return the date of an ISO time stamp; a dash if it is empty."""
    return moment[:DATE_CHARACTERS] or NONE


def band(row: Row) -> str:
    """Return the error band of an estimate; empty for a measured row."""
    ends = row.get("band_ms")
    return f"({milliseconds(ends['low'])}–{milliseconds(ends['high'])})" if ends else ""


def machine_line(machine: Machine) -> str:
    """Return a machine in one line."""
    cores = machine.get("cores_physical") or machine.get("cores_logical")
    parts = [machine.get("board"), machine.get("cpu"), f"{cores} cores" if cores else None]
    if machine.get("quota_cores"):
        parts.append(f"quota {machine['quota_cores']:g} cores")
    if machine.get("memory_mib"):
        parts.append(f"{machine['memory_mib'] / 1024:.0f} GiB")
    parts.append(machine.get("os"))
    parts.append(f"Python {machine['python']}" if machine.get("python") else None)
    return ", ".join(str(part) for part in dict.fromkeys(parts) if part)


def data_line(data: DataBlock) -> str:
    """Return a data set in one line."""
    generated = ", generated: no real smear" if data["generated"] else ""
    return f"{data['name']}, {data['images']} images{generated}"


def document_line(document: DocumentFacts) -> str:
    """Return when, and by which version of the code, a result was written."""
    source = f"commit {document['commit']}" if document["commit"] else "no git checkout"
    incomplete = ", not complete" if document["complete"] is False else ""
    return f"{day(document['created'])}, alledge {document['alledge']}, {source}{incomplete}"


def notes(row: Row) -> list[tuple[str, str]]:
    """Return remarks on the figures of a row: a short tag and a sentence for each."""
    remarks = []
    if row["kind"] == "estimated":
        remarks.append(("estimated", row.get("basis") or "not measured"))
    if row.get("parity") == "fail":
        remarks.append(("parity: fail", "it does not compute what the float model computes"))
    if row["noise"]:
        remarks.append(("noisy", "; ".join(row["noise"])))
    if count := row.get("set_aside"):
        rounds = "disturbed round is" if count == 1 else "disturbed rounds are"
        remarks.append(("set aside", f"{count} {rounds} not in the figures"))
    if row["reached_width"] is False:
        remarks.append(("wide", "an interval is wider than was asked for"))
    if "repeats" in row:
        ends = row["repeats"]
        why = f"measured {ends['times']} times: medians {ends['low_ms']} to {ends['high_ms']} ms"
        remarks.append(("newest", why))
    if "conflict" in row:
        times = f"{row['conflict']['low_ms']} and {row['conflict']['high_ms']} ms"
        remarks.append(("conflict", f"results disagree about one measurement: medians {times}"))
    return remarks + _accuracy_notes(row)


def _accuracy_notes(row: Row) -> list[tuple[str, str]]:
    remarks = []
    accuracy = row["accuracy"] or {}
    if accuracy.get("include_seen"):
        count = accuracy.get("seen_included", "some")
        remarks.append(("seen images", f"{count} images it was trained on are in its accuracy"))
    if accuracy.get("failed"):
        remarks.append(("unreadable", f"{accuracy['failed']} images could not be read"))
    if "judged" in row and row["judged"]["at"] != row["measured_at"]:
        when = day(row["judged"]["at"])
        remarks.append(("older accuracy", f"its accuracy was measured on {when}"))
    return remarks
