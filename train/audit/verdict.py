"""The conclusions of an audit in plain words, and its document as text; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence

from ...runtime.text_table import text_table
from .types import AuditDocument, BetweenSets, ContradictionPair, DatasetAudit

MAJORITY = "majority class"
PAIRS_SHOWN, SIZES_SHOWN, CONTRADICTIONS_SHOWN = 20, 8, 5
FEWEST_IMAGES = 10  # of a class: below, a perfect shortcut may look like chance


def verdict(
    datasets: Sequence[DatasetAudit],
    between: Sequence[BetweenSets],
    contradictions: Sequence[ContradictionPair] = (),
) -> list[str]:
    """Return the conclusions of an audit, the most important of each data set first."""
    lines: list[str] = []
    if contradictions:
        shown = "; ".join(
            contradiction_text(datasets, pair) for pair in contradictions[:CONTRADICTIONS_SHOWN]
        )
        more = len(contradictions) - CONTRADICTIONS_SHOWN
        lines.append(
            f"labels contradict: {len(contradictions)} "
            f"{'pair shows' if len(contradictions) == 1 else 'pairs show'} the same picture: "
            f"{shown}{f'; and {more} more' if more > 0 else ''}"
        )
    for dataset in datasets:
        prefix = f"{dataset['name']}: " if len(datasets) > 1 else ""
        conclusions = [
            *_shortcut_lines(dataset),
            *_camera_lines(dataset),
            *_file_lines(dataset),
        ]
        lines += [prefix + line for line in conclusions]
    for row in between:
        if row["pairs"]:
            lines.append(
                f"{row['images_of_b']} of the {row['of_b']} images of {row['b']} overlap with "
                f"{row['images_of_a']} of the {row['of_a']} images of {row['a']}: never train "
                "on one and test on the other"
            )
    return lines


def contradiction_text(datasets: Sequence[DatasetAudit], pair: ContradictionPair) -> str:
    """Return both images of a pair with their labels."""
    sides = []
    for side, label in zip((pair["a"], pair["b"]), pair["labels"], strict=True):
        folder = f"{datasets[side['dataset']]['name']}/" if len(datasets) > 1 else ""
        sides.append(f"{folder}{side['image']} ({label})")
    return " and ".join(sides)


def _shortcut_lines(dataset: DatasetAudit) -> list[str]:
    rows = {row["name"]: row for row in dataset["shortcuts"]}
    if not rows:
        return ["a class has only one group of images: no shortcut can be measured"]
    majority = rows.pop(MAJORITY)["accuracy"]["value"]
    better = [row for row in rows.values() if row["accuracy"]["low"] > majority]
    rarest = min(dataset["labels"].values())
    if not better and rarest < FEWEST_IMAGES:
        return [
            f"a class has only {rarest} images: whether a shortcut predicts the label cannot be "
            f"told from fewer than {FEWEST_IMAGES}"
        ]
    if not better:
        return [
            "camera, image size, mean colour, background and geometry predict the label no better "
            f"than always the commoner one ({majority:.0%})"
        ]
    return [
        f"the {row['name']} alone predicts the label of {row['accuracy']['value']:.0%} of the "
        f"images ({row['right']} of {dataset['images']}): compare every accuracy with that"
        for row in better
    ]


def _camera_lines(dataset: DatasetAudit) -> list[str]:
    lines = []
    for row in dataset["cameras"] if len(dataset["cameras"]) > 1 else ():
        missing = [label for label, count in row["labels"].items() if not count]
        if missing:
            lines.append(
                f"no image of the class {', '.join(missing)} was taken with {row['camera']}: "
                "this data set cannot show how a model performs with that camera"
            )
    return lines


def _file_lines(dataset: DatasetAudit) -> list[str]:
    lines = []
    if dataset["same"]:
        count, sets = sum(map(len, dataset["same"])), len(dataset["same"])
        lines.append(
            f"{count} images in {sets} {'set' if sets == 1 else 'sets'} overlap: a split that "
            "separates them leaks (alledge train --split grouped keeps them together)"
        )
    if dataset["unreadable"]:
        lines.append(f"{len(dataset['unreadable'])} files cannot be read: replace or remove them")
    if dataset["flagged"]:
        lines.append(
            f"{len(dataset['flagged'])} images have flags of their files, such as "
            f"{dataset['flagged'][0]['flags'][0]}: look at them before you train"
        )
    return lines


def audit_text(document: AuditDocument) -> str:
    """Return the document of ``alledge audit`` as text."""
    blocks = [
        *map(_dataset_text, document["datasets"]),
        _pairs_text(document),
        *_contradictions_text(document),
        "\n".join(f"- {line}" for line in document["verdict"]),
    ]
    return "\n\n".join(blocks)


def _dataset_text(dataset: DatasetAudit) -> str:
    balance = ", ".join(f"{count} {label}" for label, count in dataset["labels"].items())
    mark = ", generated" if dataset["generated"] else ""
    cameras = [["camera", "images", *dataset["labels"]]]
    for row in dataset["cameras"]:
        cameras.append([row["camera"], str(row["images"]), *map(str, row["labels"].values())])
    return "\n".join(
        [
            f"{dataset['name']} ({dataset['layout']}{mark}): {dataset['images']} images, {balance}",
            *dataset["reading"],
            f"sizes: {_sizes(dataset)}",
            text_table(cameras),
            *_shortcuts(dataset),
            *("overlapping: " + ", ".join(names) for names in dataset["same"]),
            *(f"flagged: {row['image']}: {', '.join(row['flags'])}" for row in dataset["flagged"]),
            *(f"not read: {row['image']}: {row['error']}" for row in dataset["unreadable"]),
        ]
    )


def _sizes(dataset: DatasetAudit) -> str:
    sizes = [f"{row['width']} × {row['height']} ({row['images']})" for row in dataset["sizes"]]
    more = len(sizes) - SIZES_SHOWN
    return ", ".join(sizes if more <= 0 else [*sizes[:SIZES_SHOWN], f"{more} more"])


def _shortcuts(dataset: DatasetAudit) -> list[str]:
    """Return the shortcut table; nothing if no shortcut could be measured."""
    if not dataset["shortcuts"]:
        return []
    rows = [[f"predicted from, {dataset['folds']} grouped folds", "right", "accuracy", "95 %"]]
    for row in dataset["shortcuts"]:
        accuracy = row["accuracy"]
        rows.append(
            [
                row["name"],
                f"{row['right']}/{accuracy['n']}",
                f"{accuracy['value']:.1%}",
                f"{accuracy['low']:.1%}–{accuracy['high']:.1%}",
            ]
        )
    return [text_table(rows)]


def _contradictions_text(document: AuditDocument) -> list[str]:
    """Return every pair of images whose labels contradict; nothing if there is none."""
    pairs = document["contradictions"]
    lines = [
        f"labels contradict: {contradiction_text(document['datasets'], pair)}" for pair in pairs
    ]
    return ["\n".join(lines)] if lines else []


def _pairs_text(document: AuditDocument) -> str:
    if not document["pairs"]:
        return "no two images overlap"
    rows = [["image", "image", "", "shift px", "common", "score"]]
    for pair in document["pairs"][:PAIRS_SHOWN]:
        names = []
        for side in (pair["a"], pair["b"]):
            dataset = document["datasets"][side["dataset"]]["name"]
            several = len(document["datasets"]) > 1
            names.append(f"{dataset}/{side['image']}" if several else side["image"])
        rows.append(
            [
                *names,
                pair["kind"],
                f"{pair['dx']:+d},{pair['dy']:+d}",
                f"{max(pair['shares']):.0%}",
                f"{pair['score']:.2f}",
            ]
        )
    more = len(document["pairs"]) - PAIRS_SHOWN
    table = text_table(rows, left=3)
    return f"{table}\n… and {more} more pairs (--json has all)" if more > 0 else table
