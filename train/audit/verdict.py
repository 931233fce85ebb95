"""What an audit comes to, in plain words, and as text; imports nothing heavy."""

from __future__ import annotations

from ...runtime.metrics.metrics import Json
from ...runtime.text_table import text_table

MAJORITY = "majority class"
PAIRS_SHOWN = 20  # pairs printed


def verdict(document: Json) -> list[str]:
    """Return what a reader has to keep in mind, the gravest first."""
    lines: list[str] = []
    several = len(document["datasets"]) > 1
    for dataset in document["datasets"]:
        mark = f"{dataset['name']}: " if several else ""
        lines += [mark + line for line in _of(dataset)]
    for row in document["between"]:
        if row["pairs"]:
            lines.append(
                f"{row['images_of_b']} of the {row['of_b']} images of {row['b']} show what "
                f"{row['images_of_a']} of the {row['of_a']} images of {row['a']} show: never train "
                "on one and call the other a test"
            )
    return lines


def _of(dataset: Json) -> list[str]:
    lines, rows = [], {row["name"]: row for row in dataset["shortcuts"]}
    if rows:
        level = rows[MAJORITY]["accuracy"]["value"]
        telling = [
            row for name, row in rows.items() if name != MAJORITY and row["accuracy"]["low"] > level
        ]
        for row in telling:
            lines.append(
                f"the {row['name']} alone gives {row['accuracy']['value']:.0%} "
                f"({row['right']} of {dataset['images']}): read every accuracy beside that"
            )
        if not telling:
            lines.append(
                "camera, image size, mean colour, background and geometry tell the labels apart "
                f"no better than always saying the commoner one ({level:.0%})"
            )
    else:
        lines.append("a class has but one group of images: no shortcut can be measured")
    for row in dataset["cameras"] if len(dataset["cameras"]) > 1 else ():
        missing = [label for label, count in row["labels"].items() if not count]
        if missing:
            lines.append(
                f"no image of the class {', '.join(missing)} was taken with {row['camera']}: "
                "nothing measured here says how a model does with that camera"
            )
    if dataset["same"]:
        count = sum(map(len, dataset["same"]))
        lines.append(
            f"{count} images in {len(dataset['same'])} sets show the same: a split that parts "
            "them leaks (alledge train --split grouped keeps them together)"
        )
    if dataset["unreadable"]:
        lines.append(f"{len(dataset['unreadable'])} files cannot be read: replace or remove them")
    return lines


def audit_text(document: Json) -> str:
    """Return the document of ``alledge audit`` as text."""
    blocks = []
    for dataset in document["datasets"]:
        balance = ", ".join(f"{count} {label}" for label, count in dataset["labels"].items())
        mark = ", generated" if dataset["generated"] else ""
        lines = [
            f"{dataset['name']} ({dataset['layout']}{mark}): {dataset['images']} images, {balance}",
            "sizes: " + ", ".join(_sizes(dataset)),
            text_table(
                [
                    ["camera", "images", *dataset["labels"]],
                    *(
                        [row["camera"], str(row["images"]), *map(str, row["labels"].values())]
                        for row in dataset["cameras"]
                    ),
                ]
            ),
        ]
        if dataset["shortcuts"]:
            lines.append(text_table(_shortcuts(dataset), left=1))
        lines += ["show the same: " + ", ".join(names) for names in dataset["same"]]
        lines += [f"not read: {row['image']}: {row['error']}" for row in dataset["unreadable"]]
        blocks.append("\n".join(lines))
    blocks.append(_pairs(document))
    blocks.append("\n".join(f"- {line}" for line in document["verdict"]))
    return "\n\n".join(block for block in blocks if block)


def _sizes(dataset: Json) -> list[str]:
    sizes = [f"{row['width']} × {row['height']} ({row['images']})" for row in dataset["sizes"]]
    return sizes if len(sizes) <= 8 else [*sizes[:8], f"{len(sizes) - 8} more"]


def _shortcuts(dataset: Json) -> list[list[str]]:
    rows = [[f"label from … alone, {dataset['folds']} grouped folds", "right", "accuracy", "95 %"]]
    for row in dataset["shortcuts"]:
        figure = row["accuracy"]
        rows.append(
            [
                row["name"],
                f"{row['right']}/{figure['n']}",
                f"{figure['value']:.1%}",
                f"{figure['low']:.1%}–{figure['high']:.1%}",
            ]
        )
    return rows


def _pairs(document: Json) -> str:
    if not document["pairs"]:
        return "no two images were found to show the same"
    several, rows = len(document["datasets"]) > 1, []
    for pair in document["pairs"][:PAIRS_SHOWN]:
        names = [
            (f"{document['datasets'][side['dataset']]['name']}/" if several else "") + side["image"]
            for side in (pair["a"], pair["b"])
        ]
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
    table = text_table([["image", "image", "", "shift px", "common", "score"], *rows], left=3)
    return table + (f"\n… and {more} pairs more (--json has all)" if more > 0 else "")
