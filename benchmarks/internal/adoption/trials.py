"""Measures adoption on the camera that the networks of a camera-split run have not seen.

python -m alledge.benchmarks.internal.adoption.trials RUN --features FILE.npz [--json FILE]
    [--shuffles 200]

Some cells of the other camera are adopted, and the cells of all other fields of that camera are
judged, so that no figure is of a field that took part.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....runtime.files import write_json
from ....runtime.metrics.decisions import is_positive
from ....runtime.metrics.intervals import auc, wilson
from ....runtime.metrics.metrics import Json, brier, ece
from ....runtime.sites.examples import LEAST_GROUPS
from ....runtime.sites.judgement import answers, cross_validated, judge_refit
from ....runtime.sites.refit import SiteHead, fit_head
from ....runtime.sites.solver import Examples
from ....train.runs.run_folder import Run, load_run
from .unseen_cameras import OtherCamera, other_cameras

SIZES, REPEATS, MOST_OF_A_GROUP = (25, 50, 100, 200), 4, 6
CALIBRATED_DRAWS = 20
COLUMNS = ("auc", "ece", "floor", "brier", "sensitivity", "specificity")

Labels = tuple[str, ...]


def main() -> None:
    """Print figures before and after adopting cells, or how often shuffled labels are adopted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--features", type=Path, required=True, help="written if it is missing")
    parser.add_argument("--shuffles", type=int, default=0, help="of the labels of 50 cells")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="trials of each network")
    parser.add_argument(
        "--json", type=Path, help="write the figures for `alledge study --adoption`"
    )
    arguments = parser.parse_args()
    run = load_run(arguments.run)
    cameras = list(other_cameras(run, arguments.features))
    if arguments.shuffles:
        shuffles(cameras, run.labels, run.positive, arguments.shuffles)
        return
    document = measured(run, cameras, arguments.repeats)
    print(trials_text(document))
    if arguments.json is not None:
        write_json(arguments.json, document)


def shuffles(
    cameras: Sequence[OtherCamera], labels: Labels, positive: Labels, count: int, cells: int = 50
) -> None:
    """Print how often a layer that was fitted to shuffled labels is adopted."""
    adopted = 0
    for seed in range(count):
        camera = cameras[seed % len(cameras)]
        random = np.random.default_rng(seed)
        part = _take(camera.examples, _chosen(camera.examples, cells, seed))
        shuffled = Examples(part.features, random.permutation(part.truth), part.groups)
        adopted += judge_refit(shuffled, camera.shipped, labels, positive).adopted
    low, high = wilson(adopted, count)
    print(f"shuffled labels: {adopted} of {count} adopted ({low:.3f}-{high:.3f})")


def measured(run: Run, cameras: Sequence[OtherCamera], repeats: int) -> Json:
    """Return the figures of all cameras as a document (schema ``adoption-trials``)."""
    by_name = defaultdict(list)
    for camera in cameras:
        by_name[camera.name].append(camera)
    labels, positive = run.labels, run.positive
    return {
        "schema": "alledge/adoption-trials",
        "schema_version": 1,
        "model": run.record["model"],
        "run": run.path.name,
        "fine_tuned": run.record["epochs"] > 0,
        "cameras": [
            {
                "camera": name,
                "networks": len(networks),
                "trials": [
                    row
                    for size in SIZES
                    if (row := trials(networks, labels, positive, size, repeats)) is not None
                ],
                "all_cells": all_cells(networks[0], labels, positive),
            }
            for name, networks in by_name.items()
        ],
    }


def trials(
    networks: Iterable[OtherCamera], labels: Labels, positive: Labels, size: int, repeats: int
) -> Json | None:
    """Return mean figures on the fields that took no part, before and after adopting.

    Returns
    -------
    dict or None
        `auc_range` is the smallest and the largest AUC of a refitted layer. A trial whose cells
        `alledge adopt` refuses, because too few fields have a side, does not count. None if no
        trial counts.
    """
    sides, rows, adopted = is_positive(labels, positive), [], 0
    for camera in networks:
        for seed in range(repeats):
            chosen = _chosen(camera.examples, size, seed)
            part = _take(camera.examples, chosen)
            rest = _take(camera.examples, ~np.isin(camera.examples.groups, part.groups))
            if _groups(part, sides) < LEAST_GROUPS or _groups(rest, sides) < 1:
                continue
            adopted += judge_refit(part, camera.shipped, labels, positive).adopted
            head = fit_head(part, camera.shipped, labels, positive)
            rows.append([_figures(row, rest, sides) for row in (camera.shipped, head)])
    if not rows:
        return None
    shipped, refitted = np.mean(rows, axis=0).round(4).tolist()
    areas = [row[1][COLUMNS.index("auc")] for row in rows]
    return {
        "cells": size,
        "trials": len(rows),
        "adopted": adopted,
        "shipped": dict(zip(COLUMNS, shipped, strict=True)),
        "refitted": dict(zip(COLUMNS, refitted, strict=True)),
        "auc_range": [round(min(areas), 4), round(max(areas), 4)],
    }


def all_cells(camera: OtherCamera, labels: Labels, positive: Labels) -> Json:
    """Return the cross-validated AUC after adopting all cells, against each other label."""
    sides, examples = is_positive(labels, positive), camera.examples
    before = answers(camera.shipped, examples, sides).p
    after = cross_validated(examples, camera.shipped, labels, positive).p
    truth = sides[examples.truth]
    against = []
    for name in ("all", *(label for label in labels if label not in positive)):
        rows = truth | (~truth if name == "all" else examples.truth == labels.index(name))
        shipped, refitted = (round(auc(truth[rows], p[rows]), 4) for p in (before, after))
        others = int((~truth[rows]).sum())
        against.append({"label": name, "cells": others, "shipped": shipped, "refitted": refitted})
    return {"cells": len(examples), "ece": round(_ece(truth, after), 4), "against": against}


def trials_text(document: Json) -> str:
    """Return the document as text."""
    lines = []
    for camera in document["cameras"]:
        lines.append(f"{camera['camera']}: {camera['networks']} networks that have not seen it")
        for row in camera["trials"]:
            lines.append(f"  {row['cells']} cells: {row['adopted']} of {row['trials']} adopted")
            for name in ("shipped", "refitted"):
                figures = "".join(f"  {key} {row[name][key]:.3f}" for key in COLUMNS)
                lines.append(f"    {name:9}{figures}")
        whole = camera["all_cells"]
        lines.append(
            f"  all {whole['cells']} cells, cross-validated by field: ECE {whole['ece']:.3f}"
        )
        lines += [
            f"    against {row['cells']} {row['label']}: AUC {row['shipped']:.3f} shipped, "
            f"{row['refitted']:.3f} refitted"
            for row in whole["against"]
        ]
    return "\n".join(lines)


def _figures(head: SiteHead, examples: Examples, sides: NDArray[np.bool_]) -> list[float]:
    """Return the figures of a head; ``floor`` is the ECE of calibrated scores of as many cells."""
    p, truth = head.scores(examples.features)[:, sides].sum(axis=1), sides[examples.truth]
    called, random = p >= head.threshold, np.random.default_rng(0)
    floor = [_ece(random.random(len(p)) < p, p) for _ in range(CALIBRATED_DRAWS)]
    return [
        auc(truth, p),
        _ece(truth, p),
        float(np.mean(floor)),
        brier(truth, p),
        float(called[truth].mean()),
        float(1 - called[~truth].mean()),
    ]


def _ece(truth: NDArray[np.bool_], p: NDArray[np.float64]) -> float:
    return ece(truth.astype(int), np.stack([1 - p, p], axis=1))


def _chosen(examples: Examples, size: int, seed: int) -> NDArray[np.int64]:
    """Return cells of random fields, at most some of each, as a person would check them."""
    random, chosen = np.random.default_rng(seed), list[int]()
    for name in random.permutation(np.unique(examples.groups)):
        own = random.permutation(np.flatnonzero(examples.groups == name))
        chosen += own[: max(MOST_OF_A_GROUP, size // 10)].tolist()
        if len(chosen) >= size:
            break
    return np.array(chosen[:size])


def _groups(examples: Examples, sides: NDArray[np.bool_]) -> int:
    """Return how many groups have the side of the diagnosis that fewer groups have."""
    is_ill = sides[examples.truth]
    return min(len(np.unique(examples.groups[side])) for side in (is_ill, ~is_ill))


def _take(examples: Examples, rows: NDArray[np.generic]) -> Examples:
    return Examples(examples.features[rows], examples.truth[rows], examples.groups[rows])


if __name__ == "__main__":
    main()
