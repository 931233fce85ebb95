"""Reads HEIC and HEIF with pi-heif."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import pi_heif
from PIL import ExifTags, Image

from ..colour import to_rgb
from ..file_flags import DAMAGED, SEVERAL_IMAGES, SHARE_OF_OTHER_PICTURE
from ..lazy_image import LazyImage
from ..overwritten import is_overwritten
from ..video_colours import refuse_wide_colours


def open_heic(file: Path | BinaryIO, name: str) -> Image.Image:
    """Open the largest picture of a HEIC file; of equal ones, the primary picture.

    Parameters
    ----------
    file : Path or binary file object
    name : str
        Of the file, in messages.

    Returns
    -------
    PIL.Image.Image
        Not yet decoded. The orientation of the file is applied while it is decoded; that of its
        EXIF data, which is a copy, is removed.

    Raises
    ------
    ImageError
        If its colours are wider than sRGB and it has no ICC profile.
    """
    pictures = list(pi_heif.open_heif(file))
    primary = next((picture for picture in pictures if picture.info["primary"]), pictures[0])
    largest = max(pictures, key=_pixels)
    picture = primary if _pixels(primary) == _pixels(largest) else largest
    info = {key: picture.info[key] for key in ("exif", "icc_profile") if picture.info.get(key)}
    colours = picture.info.get("nclx_profile")
    if colours and "icc_profile" not in info:
        refuse_wide_colours(name, colours["color_primaries"], colours["transfer_characteristics"])
    if "exif" in info:
        info["exif"] = _without_orientation(info["exif"])

    smallest = SHARE_OF_OTHER_PICTURE * _pixels(picture)
    pictures_of_its_size = sum(_pixels(other) > smallest for other in pictures)

    def decode() -> tuple[Image.Image, tuple[str, ...]]:
        decoded = to_rgb(picture.to_pillow())
        several = (SEVERAL_IMAGES,) if pictures_of_its_size > 1 else ()
        # libheif conceals damage; some of it becomes rows of one value
        return decoded, several + ((DAMAGED,) if is_overwritten(decoded) else ())

    return LazyImage(picture.size, "HEIF", decode, info)


def _without_orientation(content: bytes) -> bytes:
    exif = Image.Exif()
    try:
        exif.load(content)
        exif.pop(ExifTags.Base.Orientation, None)
        return exif.tobytes()
    except Exception:  # EXIF is damaged; the pixels may be intact
        return b""


def _pixels(picture: Any) -> int:
    return int(picture.size[0] * picture.size[1])
