"""Writes the page of a quick demo: pictures, answers before and after, and what to type next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from ...errors import RunError
from ...runtime.data.centroids import read_centroids
from ...runtime.files import replace_file
from ...runtime.json_documents import read_json
from ...runtime.metrics.intervals import wilson
from ...runtime.pages.environment import render_page
from ..provenance import provenance_line
from .full_page import thumbnail

TEMPLATE = Path(__file__).resolve().parent / "templates" / "quick.html.j2"
PICTURE_PX = (720, 720)
PICTURES = 4  # of the fields with the most blasts


def write_page(out: Path, outputs: dict[str, str], commands: list[str]) -> Path:
    """Write ``summary.html`` into the folder of a demo.

    Parameters
    ----------
    out : Path
        The folder. It holds ``run/`` and the new smears with their overlays.
    outputs : dict of str to str
        Output of the steps ``builtin``, ``classify`` and ``verify``, as JSON.
    commands : list of str
        The commands that were run, as a user would type them.

    Returns
    -------
    Path
        The page.
    """
    before, after = (_records(outputs[name]) for name in ("builtin", "classify"))
    fields: list[dict[str, Any]] = [
        {"name": Path(one["image"]).name, "blasts": _blasts(Path(one["image"]))}
        | {"before": one, "after": two}
        for one, two in zip(before, after, strict=True)
    ]
    shown = sorted(fields, key=lambda field: -field["blasts"])[:PICTURES]
    run = read_json(out / "run" / "run.json", error=RunError, file_names=True)
    text = render_page(
        TEMPLATE,
        fields=fields,
        right={key: _right(fields, key) for key in ("before", "after")},
        reviewed={
            key: sum(field[key]["status"] == "review" for field in fields)
            for key in ("before", "after")
        },
        pictures=[
            {
                "name": field["name"],
                "before": thumbnail(Path(field["before"]["overlay"]), PICTURE_PX),
                "after": thumbnail(Path(field["after"]["overlay"]), PICTURE_PX),
            }
            for field in shown
        ],
        verified=json.loads(outputs["verify"]),
        run=run,
        commands=commands,
        made_by=provenance_line(run),
    )
    page = out / "summary.html"
    with replace_file(page) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return page


def _records(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.strip()]


def _blasts(image: Path) -> int:
    """Return how many blasts the program drew into a field."""
    with Image.open(image) as opened:
        return len(read_centroids(image, opened.size))


def _right(fields: list[dict[str, Any]], key: str) -> str:
    """Return how many fields have the label of what was drawn, with its 95 % interval."""
    count = sum((field[key]["label"] == "blast") == (field["blasts"] > 0) for field in fields)
    low, high = wilson(count, len(fields))
    return f"{count} of {len(fields)} ({100 * low:.0f}–{100 * high:.0f} %)"
