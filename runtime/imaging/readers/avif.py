"""Reads AVIF with Pillow, and refuses what Pillow would read wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from PIL import AvifImagePlugin, Image

from ....errors import ImageError
from ..known_files import SAVE_AS
from ..video_colours import refuse_wide_colours

# The boxes of a file that describe it lie before its pixels.
BOXES_BYTES = 1 << 16
COLOURS, EXTENT = b"colrnclx", b"ispe"
LARGER = 1.5  # a picture may be a little smaller than its extent, because it can be trimmed


def open_avif(file: Path | BinaryIO, name: str) -> Image.Image:
    """Open the primary picture of an AVIF file.

    Parameters
    ----------
    file : Path or binary file object
    name : str
        Of the file, in messages.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    ImageError
        If the primary picture is smaller than another of the file, or its colours are wider
        than sRGB and it has no ICC profile.
    """
    boxes = _read_boxes(file)
    image = AvifImagePlugin.AvifImageFile(str(file) if isinstance(file, Path) else file)
    try:
        _refuse_thumbnail(image, boxes, name)
        start = boxes.find(COLOURS) + len(COLOURS)
        if start >= len(COLOURS) and "icc_profile" not in image.info:
            codes = [int.from_bytes(boxes[start + i : start + i + 2], "big") for i in (0, 2)]
            refuse_wide_colours(name, *codes)
    except ImageError:
        image.close()
        raise
    return image


def _read_boxes(file: Path | BinaryIO) -> bytes:
    if isinstance(file, Path):
        with file.open("rb") as stream:
            return stream.read(BOXES_BYTES)
    boxes = file.read(BOXES_BYTES)
    file.seek(0)
    return boxes


def _refuse_thumbnail(image: Image.Image, boxes: bytes, name: str) -> None:
    start = boxes.find(EXTENT)
    while start >= 0:  # the box: its name, 4 bytes of flags, width and height
        width = int.from_bytes(boxes[start + 8 : start + 12], "big")
        height = int.from_bytes(boxes[start + 12 : start + 16], "big")
        if width * height > LARGER * image.width * image.height:
            raise ImageError(
                f"{name} shows a thumbnail of {image.width} x {image.height} pixels first, and "
                f"holds a picture of {width} x {height}",
                fix=SAVE_AS,
            )
        start = boxes.find(EXTENT, start + 4)
