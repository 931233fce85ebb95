"""The HTML page of an audit: verdict, tables, overlapping images and masked images.

The page is one file and needs no network. It holds small images of the data sets, and says so.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ...runtime.data.datasets import Dataset, read_dataset
from ...runtime.data.layout_types import ReadOptions
from ...runtime.imaging import load_picture, read_header
from ...runtime.outputs import write_outputs
from ...runtime.pages.environment import image_uri, render_page
from ..provenance import provenance_line
from .shortcuts import PICTURE_SIZE, masks
from .types import AuditDocument, DatasetAudit, OverlapPair
from .verdict import contradiction_text

TEMPLATE = Path(__file__).resolve().parent / "templates" / "audit.html.j2"
THUMBNAIL_PX = 300
PAIRS_SHOWN = 24  # within the sets, and as many between them
MASKS_SHOWN = 2  # for each label
FRAME_COLOUR, MASK_COLOUR = (34, 197, 94), (236, 72, 153)

PictureRow = dict[str, Any]  # for the template: names, and pictures as data URIs


def write_page(path: Path, document: AuditDocument, *, force: bool = False) -> Path:
    """Write the page of an audit.

    Parameters
    ----------
    path : Path
    document : AuditDocument
        As `alledge.train.audit.audit.audit` returns it.
    force : bool
        Replace the file if it exists.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    AlledgeError
        As `write_outputs`.
    """
    sets = document["datasets"]
    within = [p for p in document["pairs"] if p["a"]["dataset"] == p["b"]["dataset"]]
    between = [p for p in document["pairs"] if p["a"]["dataset"] != p["b"]["dataset"]]
    text = render_page(
        TEMPLATE,
        document=document,
        within=[_pair(sets, pair) for pair in within[:PAIRS_SHOWN]],
        between=[_pair(sets, pair) for pair in between[:PAIRS_SHOWN]],
        counts=(len(within), len(between)),
        contradicting=[contradiction_text(sets, pair) for pair in document["contradictions"]],
        masks=[_masked_images(dataset) for dataset in sets],
        several=len(sets) > 1,
        made_by=provenance_line(document),
    )
    write_outputs({path: text}, force=force, option="--html")
    return path


def _pair(sets: list[DatasetAudit], pair: OverlapPair) -> PictureRow:
    """Return a pair with both images as data URIs; a frame marks their common part."""
    sides = (pair["a"], pair["b"])
    files = [Path(sets[side["dataset"]]["root"]) / side["image"] for side in sides]
    sizes = [(header.width, header.height) for header in map(read_header, files)]
    (width_a, height_a), (width_b, height_b) = sizes
    dx, dy = pair["dx"], pair["dy"]
    box = (max(0, dx), max(0, dy), min(width_a, width_b + dx), min(height_a, height_b + dy))
    boxes = [box, (box[0] - dx, box[1] - dy, box[2] - dx, box[3] - dy)]
    return {
        **pair,
        "pictures": [_framed(*row) for row in zip(files, sizes, boxes, strict=True)],
        "names": [f"{sets[side['dataset']]['name']}/{side['image']}" for side in sides],
    }


def _framed(path: Path, size: tuple[int, int], box: tuple[int, int, int, int]) -> str:
    picture = load_picture(path, THUMBNAIL_PX).copy()
    x, y = picture.width / size[0], picture.height / size[1]
    corners = (box[0] * x, box[1] * y, box[2] * x - 1, box[3] * y - 1)
    ImageDraw.Draw(picture).rectangle(corners, outline=FRAME_COLOUR, width=3)
    return _jpeg_uri(picture)


def _masked_images(document: DatasetAudit) -> list[PictureRow]:
    """Return some images of each label, as they are and with the cells masked out."""
    options = ReadOptions.from_record(
        {
            "layout": document["layout"],
            "positive": document["named_positive"],
            "labels_file": document["labels_file"],
        }
    )
    dataset: Dataset = read_dataset(document["root"], options, skip_unreadable=True)
    unreadable = {row["image"] for row in document["unreadable"]}
    rows: list[PictureRow] = []
    for label in dataset.labels:
        samples = [
            sample
            for sample in dataset.samples
            if sample.label == label and dataset.relative(sample) not in unreadable
        ]
        for sample in samples[:: max(1, len(samples) // MASKS_SHOWN)][:MASKS_SHOWN]:
            picture = load_picture(sample.path, PICTURE_SIZE)
            pixels = np.array(picture)
            _, background = masks(picture)
            pixels[~background] = MASK_COLOUR
            pictures = [_jpeg_uri(picture), _jpeg_uri(Image.fromarray(pixels))]
            rows.append({"label": label, "image": dataset.relative(sample), "pictures": pictures})
    return rows


def _jpeg_uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=82)
    return image_uri(buffer.getvalue(), "jpeg")
