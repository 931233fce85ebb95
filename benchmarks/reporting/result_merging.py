"""Groups the results of many machines into sites; nothing is averaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..machine_identity import comparison_key
from ..types import DataBlock, Machine, Result, ResultRow, SettingsBlock
from .types import DocumentFacts, Judged, Row

ArtifactKey = tuple[Any, ...]
MachineKey = tuple[Any, ...]


@dataclass(frozen=True)
class Site:
    """All results of one kind of machine with one timed image.

    Parameters
    ----------
    title : str
        Short, and different for every site of a report.
    machine : dict
        As the newest document describes it.
    rows : tuple of Row
        For each artifact, engine and thread count the newest row. One that was measured more than
        once has `repeats`; one with an accuracy has `judged`.
    settings : SettingsBlock or None
        Of the newest document; None where nothing was measured.
    data : tuple of DataBlock
        Each data set that accuracy was measured on.
    documents : tuple of DocumentFacts
        The merged documents, the oldest first.
    """

    title: str
    machine: Machine
    rows: tuple[Row, ...]
    settings: SettingsBlock | None
    data: tuple[DataBlock, ...] = ()
    documents: tuple[DocumentFacts, ...] = ()


def merge(documents: Iterable[Result]) -> list[Site]:
    """Return one site for each kind of machine and timed image, in the order of the documents.

    Parameters
    ----------
    documents : iterable of Result
        As `result_file.read_result` returns them.

    Notes
    -----
    Of rows for the same configuration the newest is shown, with the range of all. A document that
    is given twice counts once, and so does a measurement that stands in several documents. If
    they give different times for it, the row has `conflict`. Times of different images are never
    on one site. The accuracy of an artifact is the newest that was measured on such a machine,
    whatever image was timed.
    """
    groups: dict[tuple[MachineKey, str], list[Result]] = {}
    distinct: list[Result] = []
    for document in documents:
        if document in distinct:  # a file that was named twice, or its copy
            continue
        distinct.append(document)
        key = comparison_key(document["machine"]), document["settings"]["image"]["sha256"]
        groups.setdefault(key, []).append(document)
    for group in groups.values():
        group.sort(key=lambda document: str(document["created"]))
    judgements = _newest_judgements(groups)
    titles = _titles([group[-1] for group in groups.values()])
    return [
        _site(title, group, machine, judgements)
        for title, ((machine, _), group) in zip(titles, groups.items(), strict=True)
    ]


def _newest_judgements(
    groups: dict[tuple[MachineKey, str], list[Result]],
) -> dict[ArtifactKey, Row]:
    """Return the row with the newest accuracy, for each artifact on each kind of machine."""
    newest: dict[ArtifactKey, Row] = {}
    for (machine, _), group in groups.items():
        for document in group:
            for row in (_with_judgement(row, document) for row in document["rows"]):
                if "judged" not in row:
                    continue
                key = _artifact_key(machine, row)
                if key not in newest or row["judged"]["at"] >= newest[key]["judged"]["at"]:
                    newest[key] = row
    return newest


def _artifact_key(machine: MachineKey, row: ResultRow) -> ArtifactKey:
    return machine, row["digest"] or row["bundle"], row["backend"]


def _site(
    title: str, group: list[Result], machine: MachineKey, judgements: dict[ArtifactKey, Row]
) -> Site:
    rows = []
    for row in _newest_rows(group):
        judgement = judgements.get(_artifact_key(machine, row))
        if row["status"] == "ok" and row["accuracy"] is None and judgement is not None:
            row["accuracy"] = judgement["accuracy"]
            row["judged"] = judgement["judged"]
            row["accuracy_note"] = None
        rows.append(row)
    data_sets = [row["judged"]["data"] for row in rows if "judged" in row]
    return Site(
        title=title,
        machine=group[-1]["machine"],
        rows=tuple(rows),
        settings=group[-1]["settings"],
        data=tuple({data["fingerprint"]: data for data in data_sets if data}.values()),
        documents=tuple(map(_facts, group)),
    )


def _facts(document: Result) -> DocumentFacts:
    return {
        "created": document["created"],
        "commit": document.get("commit"),
        "alledge": document.get("alledge", "of unknown version"),
        "complete": document.get("complete"),
    }


def _newest_rows(group: list[Result]) -> Iterator[Row]:
    """Yield the newest row of each configuration, with the range of its medians."""
    configurations: dict[tuple[Any, ...], list[Row]] = {}
    for document in group:
        for row in document["rows"]:
            artifact = row["digest"] or row["bundle"]
            key = (row["kind"], artifact, row["backend"], row["threads"])
            configurations.setdefault(key, []).append(_with_judgement(row, document))
    for rows in configurations.values():
        # Of one measurement that stands in several documents, the newest document is right.
        by_moment: dict[str, list[Row]] = {}
        for row in rows:
            by_moment.setdefault(str(row["measured_at"]), []).append(row)
        newest = by_moment[max(by_moment)][-1]
        same = _medians(by_moment[max(by_moment)])
        if len(set(same)) > 1:
            newest["conflict"] = {"low_ms": min(same), "high_ms": max(same)}
        medians = _medians([of_moment[-1] for of_moment in by_moment.values()])
        if len(medians) > 1:
            newest["repeats"] = {
                "times": len(medians),
                "low_ms": min(medians),
                "high_ms": max(medians),
            }
        yield newest


def _medians(rows: Sequence[Row]) -> list[float]:
    """Return the median times of the rows that have one."""
    times = [row["latency"]["p50_ms"] for row in rows if row["latency"]]
    return [time for time in times if time is not None]


def _with_judgement(row: ResultRow, document: Result) -> Row:
    """Return a copy of a row that says when, and on which data, its accuracy was measured."""
    copy = cast(Row, dict(row))
    if row["accuracy"] is not None:
        copy["judged"] = Judged(at=row["measured_at"], data=document["data"])
    return copy


def _titles(newest: list[Result]) -> list[str]:
    """Return a title for each site: its machine, and its image or a number where it is needed."""
    names = [_machine_name(document["machine"]) for document in newest]
    images = [document["settings"]["image"] for document in newest]
    sizes = [f"{image['width']} × {image['height']} image" for image in images]
    titles = [
        f"{name}, {size}" if names.count(name) > 1 and len(set(sizes)) > 1 else name
        for name, size in zip(names, sizes, strict=True)
    ]
    return [
        f"{title} ({titles[: number + 1].count(title)})" if titles.count(title) > 1 else title
        for number, title in enumerate(titles)
    ]


def _machine_name(machine: Machine) -> str:
    name = machine.get("board") or machine.get("cpu") or machine.get("arch") or "machine"
    cores = machine.get("quota_cores") or machine.get("cores_physical")
    return f"{name}, {cores:g} cores" if cores else str(name)
