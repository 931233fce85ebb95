"""Generated fields in a watched folder, and a person's verdicts on each of their cells."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .brokers import wait_until
from .generated_cells import Places, draw_smear, grid_places
from .stations import Server

FIELDS, SIZE = 10, (640, 480)
KINDS = ("blast", "lymphocyte", "neutrophil") * 2


def draw_fields(folder: Path, count: int = FIELDS, seed: int = 0) -> dict[str, Places]:
    """Write fields with six white cells each; return the cells by the name of the file."""
    rng, truth = np.random.default_rng(seed), {}
    for number in range(count):
        name = f"{seed:02d}-{number:02d}.png"
        truth[name] = grid_places(list(rng.permutation(KINDS)), 3, *SIZE)
        pixels = draw_smear(
            truth[name], seed=100 * seed + number, width=SIZE[0], height=SIZE[1], erythrocytes=0.2
        )
        Image.fromarray(pixels).save(folder / f".{name}", "PNG")
        (folder / f".{name}").rename(folder / name)
    return truth


def entries_of(server: Server, count: int, **headers: str) -> list[dict[str, Any]]:
    """Wait until the history has some results, and return them."""

    def results() -> list[dict[str, Any]]:
        answer = server.get("/v1/history?unread=0&limit=200", **headers)
        return list(answer.json["entries"])

    wait_until(lambda: len(results()) >= count)
    return results()


def judge_all(
    server: Server,
    entries: list[dict[str, Any]],
    truth: dict[str, Places],
    shuffle: np.random.Generator | None = None,
    **headers: str,
) -> int:
    """Give the true verdict on each cell, or the true verdicts in another order; count them."""
    places = [
        (entry["number"], index, _label(cell, truth[entry["name"]]))
        for entry in entries
        for index, cell in enumerate(entry["record"]["cells"])
    ]
    known = [(number, index, label) for number, index, label in places if label is not None]
    labels = [label for _, _, label in known]
    if shuffle is not None:
        labels = list(shuffle.permutation(labels))
    for (number, index, _), label in zip(known, labels, strict=True):
        document = {"cell": index, "label": label}
        answer = server.post_json(f"/v1/history/{number}/verdicts", document, **headers)
        assert answer.status == 201, answer.body
    return len(known)


def _label(cell: dict[str, Any], places: Places) -> str | None:
    kind, x, y = min(places, key=lambda row: math.dist(row[1:], (cell["x"], cell["y"])))
    if math.dist((x, y), (cell["x"], cell["y"])) > 2 * cell["radius"]:
        return None
    return "blast" if kind == "blast" else "healthy"
