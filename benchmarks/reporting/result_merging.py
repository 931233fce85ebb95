"""Results of many machines, side by side: grouped by like machines, and never averaged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..machine_identity import comparison_key

Json = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """Everything known of one machine and of those like it, with one image timed.

    Parameters
    ----------
    title : str
        Short, and different for every site of a report.
    machine : dict
        As the newest document describes it.
    rows : tuple of dict
        One for each artifact, backend and thread count: the newest, whole. A row that was measured
        more than once also has ``repeats``: how often, and the medians' range. One with an
        accuracy has ``judged``: when (``at``), and on what ``data``.
    settings : dict or None
        Of the newest document; None where nothing was measured.
    data : tuple of dict
        Each data set that accuracy was measured on.
    documents : tuple of dict
        What was merged, the oldest first: ``created``, ``commit``, ``alledge``, ``complete``.
    """

    title: str
    machine: Json
    rows: tuple[Json, ...]
    settings: Json | None
    data: tuple[Json, ...] = ()
    documents: tuple[Json, ...] = ()


def merge(documents: Iterable[Json]) -> list[Site]:
    """Return one site for each kind of machine and image, in the order of the documents.

    Parameters
    ----------
    documents : iterable of dict
        As `result_file.read_result` returns them.

    Notes
    -----
    Even on like machines nothing is averaged: of rows for the same configuration the newest
    stands, and says how far the others were from it. Times of two images never share a site; the
    accuracy of an artifact is that of its newest judgement on a like machine, whatever was timed.
    """
    alike: dict[tuple[Any, ...], list[Json]] = {}
    for document in documents:
        key = comparison_key(document["machine"]), document["settings"]["image"]["sha256"]
        alike.setdefault(key, []).append(document)
    for group in alike.values():
        group.sort(key=lambda document: str(document["created"]))
    judgements = _judgements(alike)
    titles = _titles([group[-1] for group in alike.values()])
    return [
        _site(title, group, machine, judgements)
        for title, ((machine, _), group) in zip(titles, alike.items(), strict=True)
    ]


def _judgements(alike: dict[tuple[Any, ...], list[Json]]) -> dict[tuple[Any, ...], Json]:
    """Return the newest accuracy of each artifact on each kind of machine."""
    found: dict[tuple[Any, ...], Json] = {}
    for (machine, _), group in alike.items():
        for document in group:
            for row in document["rows"]:
                if row["accuracy"] is None:
                    continue
                judged = _judged(row, document)["judged"]
                key = _artifact(machine, row)
                if key not in found or judged["at"] >= found[key]["judged"]["at"]:
                    found[key] = {"accuracy": row["accuracy"], "judged": judged}
    return found


def _artifact(machine: tuple[Any, ...], row: Json) -> tuple[Any, ...]:
    return machine, row["digest"] or row["bundle"], row["backend"]


def _site(
    title: str, group: list[Json], machine: tuple[Any, ...], judgements: dict[tuple[Any, ...], Json]
) -> Site:
    rows = []
    for row in _rows(group):
        key = _artifact(machine, row)
        if row["status"] == "ok" and row["accuracy"] is None and key in judgements:
            row = {**row, **judgements[key], "accuracy_note": None}
        rows.append(row)
    known = [row["judged"]["data"] for row in rows if "judged" in row and row["judged"]["data"]]
    told = ("created", "commit", "alledge", "complete")
    return Site(
        title=title,
        machine=group[-1]["machine"],
        rows=tuple(rows),
        settings=group[-1]["settings"],
        data=tuple({data["fingerprint"]: data for data in known}.values()),
        documents=tuple({key: document.get(key) for key in told} for document in group),
    )


def _rows(group: list[Json]) -> Iterable[Json]:
    same: dict[tuple[Any, ...], list[Json]] = {}
    for document in group:
        for row in document["rows"]:
            name = row["digest"] or row["bundle"]
            key = (row["kind"], name, row["backend"], row["threads"])
            same.setdefault(key, []).append(_judged(row, document))
    for rows in same.values():
        rows.sort(key=lambda row: str(row["measured_at"]))
        medians = [row["latency"]["p50_ms"] for row in rows if row["latency"]]
        if len(medians) > 1:
            ends = {"low_ms": min(medians), "high_ms": max(medians)}
            yield {**rows[-1], "repeats": {"times": len(medians), **ends}}
        else:
            yield rows[-1]


def _judged(row: Json, document: Json) -> Json:
    """Return a row that says when and on what it was judged."""
    if row["accuracy"] is None:
        return row
    return {**row, "judged": {"at": row["measured_at"], "data": document["data"]}}


def _titles(newest: list[Json]) -> list[str]:
    """Return a title for each site: the machine, and what tells two of one name apart."""
    names = [_name(document["machine"]) for document in newest]
    images = [document["settings"]["image"] for document in newest]
    sizes = [f"{image['width']} × {image['height']} image" for image in images]
    long = [
        f"{name}, {size}" if names.count(name) > 1 and len(set(sizes)) > 1 else name
        for name, size in zip(names, sizes, strict=True)
    ]
    return [
        f"{title} ({long[: number + 1].count(title)})" if long.count(title) > 1 else title
        for number, title in enumerate(long)
    ]


def _name(machine: Json) -> str:
    name = machine.get("board") or machine.get("cpu") or machine.get("arch") or "machine"
    cores = machine.get("quota_cores") or machine.get("cores_physical")
    return f"{name}, {cores:g} cores" if cores else str(name)
