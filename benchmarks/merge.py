"""Results of many machines, side by side: grouped by like machines, and never averaged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .machine import likeness

Json = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """Everything known of one machine and of those like it.

    Parameters
    ----------
    title : str
        Short, and different for every site of a report.
    machine : dict
        As the newest document describes it.
    rows : tuple of dict
        One for each artifact, backend and thread count: the newest, whole. A row that was measured
        more than once also has ``repeats``: how often, and the medians' range.
    settings : dict
        Of the newest document.
    data : dict or None
    results : int
        Documents that were merged.
    complete : bool
        Whether all of them are.
    """

    title: str
    machine: Json
    rows: tuple[Json, ...]
    settings: Json
    data: Json | None
    results: int
    complete: bool


def merge(documents: Iterable[Json]) -> list[Site]:
    """Return one site for each kind of machine, in the order of the documents.

    Parameters
    ----------
    documents : iterable of dict
        As `result.read` returns them.

    Notes
    -----
    Even on like machines nothing is averaged: of rows for the same configuration the newest
    stands, and says how far the others were from it.
    """
    alike: dict[tuple[Any, ...], list[Json]] = {}
    for document in documents:
        alike.setdefault(likeness(document["machine"]), []).append(document)
    titles = [_title(group[-1]["machine"]) for group in alike.values()]
    sites = []
    for number, group in enumerate(alike.values()):
        group = sorted(group, key=lambda document: str(document["created"]))
        title = titles[number]
        if titles.count(title) > 1:
            title += f" ({titles[: number + 1].count(title)})"
        newest = group[-1]
        judged = [document["data"] for document in group if document["data"]]
        sites.append(
            Site(
                title=title,
                machine=newest["machine"],
                rows=tuple(_rows(group)),
                settings=newest["settings"],
                data=judged[-1] if judged else None,
                results=len(group),
                complete=all(document.get("complete", True) for document in group),
            )
        )
    return sites


def _rows(group: list[Json]) -> Iterable[Json]:
    same: dict[tuple[Any, ...], list[Json]] = {}
    for document in group:
        for row in document["rows"]:
            name = row["digest"] or row["bundle"]
            same.setdefault((row["kind"], name, row["backend"], row["threads"]), []).append(row)
    for rows in same.values():
        rows.sort(key=lambda row: str(row["measured_at"]))
        medians = [row["latency"]["p50_ms"] for row in rows if row["latency"]]
        if len(medians) > 1:
            ends = {"low_ms": min(medians), "high_ms": max(medians)}
            yield {**rows[-1], "repeats": {"times": len(medians), **ends}}
        else:
            yield rows[-1]


def _title(machine: Json) -> str:
    name = machine.get("board") or machine.get("cpu") or machine.get("arch") or "machine"
    cores = machine.get("quota_cores") or machine.get("cores_physical")
    return f"{name}, {cores:g} cores" if cores else str(name)
