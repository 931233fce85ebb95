"""Writes the page of a full demo: measurements, pictures and commands in one HTML file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from ...errors import RunError
from ...runtime.files import replace_file
from ...runtime.json_documents import read_json
from ...runtime.pages.environment import image_uri, render_page
from ..provenance import provenance_line

TEMPLATE = Path(__file__).resolve().parent / "templates" / "full.html.j2"
THUMBNAIL_PX = (300, 225)
PLOTS = {
    "curves.png": "Learning curves",
    "confusion.png": "Confusion matrix of the held-out fifth",
    "augmented.png": "Augmented training images",
}


def write_page(out: Path, outputs: dict[str, str], commands: list[str]) -> Path:
    """Write ``summary.html`` into the folder of a demo.

    Parameters
    ----------
    out : Path
        The folder. It holds ``run/``.
    outputs : dict of str to str
        Output of the commands ``verify``, ``evaluate`` and ``classify``, as JSON.
    commands : list of str
        The commands that were run, as a user would type them.

    Returns
    -------
    Path
        The page.
    """
    records = [json.loads(line) for line in outputs["classify"].splitlines() if line.strip()]
    run = read_json(out / "run" / "run.json", error=RunError, file_names=True)
    text = render_page(
        TEMPLATE,
        percent=_percent,
        run=run,
        measured=json.loads(outputs["evaluate"]),
        verified=json.loads(outputs["verify"]),
        smears=[{**record, "picture": thumbnail(Path(record["image"]))} for record in records],
        plots=[
            (title, image_uri((out / "run" / name).read_bytes(), "png"))
            for name, title in PLOTS.items()
            if (out / "run" / name).is_file()
        ],
        commands=commands,
        made_by=provenance_line(run),
    )
    page = out / "summary.html"
    with replace_file(page) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return page


def _percent(proportion: dict[str, Any]) -> str:
    low, high = 100 * proportion["low"], 100 * proportion["high"]
    return f"{100 * proportion['value']:.1f} % ({low:.0f}–{high:.0f})"


def thumbnail(path: Path, size: tuple[int, int] = THUMBNAIL_PX) -> str:
    """Return a picture as a small JPEG, as a data URI.

    Parameters
    ----------
    path : Path
    size : (int, int)
        Largest width and height, in pixels.
    """
    with Image.open(path) as image:
        image.thumbnail(size)
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=85)
    return image_uri(buffer.getvalue(), "jpeg")
