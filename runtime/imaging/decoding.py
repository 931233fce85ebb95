"""Decodes an opened image to 8 bits a sample, with the checks of its format."""

from __future__ import annotations

import io

from PIL import Image

from .colour import to_narrow
from .jpeg import DAMAGED, decode_jpeg
from .lazy_image import LazyImage
from .overwritten import is_overwritten
from .png import decode_png
from .pnm import decode_wide_pnm
from .tiff_choice import SEVERAL_IMAGES

WITHOUT_CHECKSUM = ("BMP", "DIB", "GIF", "PPM", "TIFF")
_COMPRESSED_BY_JPEG = ("jpeg", "tiff_jpeg", "webp")


def decode(image: Image.Image, side: int | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode an opened image.

    Parameters
    ----------
    image : PIL.Image.Image
        Not loaded, or loaded by the caller: then only its samples are converted.
    side : int, optional
        A JPEG is decoded at the smallest scale that has at least this many pixels on both sides;
        None is the full scale.

    Returns
    -------
    PIL.Image.Image
        Of 8 bits a sample; not upright unless it is a TIFF. Its ``info`` has the colour profile.
    tuple of str
        Why a person should look at the image.

    Raises
    ------
    ImageError
        If the file is damaged, or its samples have no known range.
    Exception
        Whatever Pillow raises of a damaged file.
    """
    if isinstance(image, LazyImage):
        image.load()
        return image, image.flags
    if not getattr(image, "tile", None):
        return to_narrow(image)
    if image.format in ("JPEG", "MPO"):
        return decode_jpeg(content_of(image), side)
    flags = (SEVERAL_IMAGES,) if _is_animated(image) else ()
    if image.format == "PNG":
        decoded, more = decode_png(content_of(image))
        return decoded, flags + more
    wide = decode_wide_pnm(content_of(image)) if image.format == "PPM" else None
    if wide is not None:
        return wide
    compression = image.info.get("compression")
    tile_width = _tile_width(image)
    image.load()
    if image.format in WITHOUT_CHECKSUM and compression not in _COMPRESSED_BY_JPEG:
        decoded, more = to_narrow(image)
        damaged = (DAMAGED,) if is_overwritten(decoded, tile_width) else ()
        return decoded, flags + more + damaged
    decoded, more = to_narrow(image)
    return decoded, flags + more


def content_of(image: Image.Image) -> bytes:
    """Return the bytes of an image's file; none where the image has no file.

    Parameters
    ----------
    image : PIL.Image.Image
        The position of its file is not changed.

    Returns
    -------
    bytes
    """
    stream = getattr(image, "fp", None)
    if stream is None:
        return b""
    if isinstance(stream, io.BytesIO):
        return stream.getvalue()
    position = stream.tell()
    stream.seek(0)
    content: bytes = stream.read()
    stream.seek(position)
    return content


def _is_animated(image: Image.Image) -> bool:
    if image.format == "TIFF":  # the pages were counted on opening
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # the second frame is damaged; the first may be intact
        return False


def _tile_width(image: Image.Image) -> int:
    """Return the width of the tiles of a TIFF, or 0."""
    tags = getattr(image, "tag_v2", None)
    width = tags.get(322, 0) if tags is not None else 0
    return width if isinstance(width, int) else 0
