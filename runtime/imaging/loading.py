"""Turns an image file into the uint8 RGB array that the model sees; numpy and Pillow only.

Training, calibration, evaluation and the device all call `load_rgb`. Nothing else in the project
resizes an image for a model.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image

from ...errors import ImageError
from ..image_settings import ImageSettings
from .colour import to_rgb
from .opening import (
    FILE_FIX,
    GIVEN_FIX,
    GIVEN_IMAGE,
    UNKNOWN_CAMERA,
    Header,
    header_of,
    image_errors,
    open_image,
)
from .sources import name_of, resolve_source

if TYPE_CHECKING:
    from ..types import RGB, ImageSource

# Scans of a progressive JPEG. A usual file has about ten; each costs a pass over all pixels.
MAX_SCANS = 100
SCAN_MARKER = b"\xff\xda"
PART_BYTES = 1 << 20


def load_rgb(source: ImageSource, settings: ImageSettings | None = None) -> RGB:
    """Return the pixels the model sees.

    Parameters
    ----------
    source : str, os.PathLike, bytes, binary file object, PIL.Image.Image or (H, W, 3) ndarray
        Bytes and file objects are the content of a file; `resolve_source` says how they are
        read. An array has uint8 values. Of a file, the first frame or page. EXIF orientation is
        applied, 16-bit samples are divided by 257, transparent pixels are blended with white, and
        palette, grey, CMYK and 1-bit images are converted to RGB.
    settings : ImageSettings, optional
        Of the bundle or the run; by default 224 x 224 pixels.

    Returns
    -------
    (size, size, 3) ndarray of uint8, RGB

    Raises
    ------
    ImageError
        If the source is not an image, is damaged, truncated or closed, or its pixels have no
        known range.

    Examples
    --------
    >>> load_rgb("slide.jpg").shape  # doctest: +SKIP
    (224, 224, 3)
    """
    return load_image(source, settings)[0]


def load_image(source: ImageSource, settings: ImageSettings | None = None) -> tuple[RGB, Header]:
    """Return the pixels the model sees, as `load_rgb`, and the header of the file.

    Parameters
    ----------
    source : as of `load_rgb`
    settings : ImageSettings, optional

    Returns
    -------
    (size, size, 3) ndarray of uint8, RGB
    Header
        The camera of an array is ``"unknown"``. A given PIL.Image is not changed.

    Raises
    ------
    ImageError
        As `load_rgb`.
    """
    settings, source = settings or ImageSettings(), resolve_source(source)
    if isinstance(source, np.ndarray):
        image = _from_array(source)
        return _to_model(image, settings), Header(*image.size, UNKNOWN_CAMERA)
    if isinstance(source, Image.Image):
        with image_errors(f"{GIVEN_IMAGE} cannot be decoded", GIVEN_FIX):
            header = header_of(source)
            return _decode(_undecoded_copy(source), GIVEN_IMAGE, settings), header
    name = name_of(source)
    with open_image(source) as image, image_errors(f"{name} is damaged", FILE_FIX):
        header = header_of(image)
        return _decode(image, name, settings), header


def load_picture(source: ImageSource, longest: int) -> Image.Image:
    """Return an upright image at its own aspect ratio, for people; the model never sees it.

    Parameters
    ----------
    source : as of `load_rgb`
    longest : int
        The largest width and height of the result, in pixels.

    Returns
    -------
    PIL.Image.Image, RGB

    Raises
    ------
    ImageError
        As `load_rgb`.
    """
    from PIL import ImageOps  # here, because `classify` without overlays does not need it

    source = resolve_source(source)
    if isinstance(source, np.ndarray):
        image = _from_array(source)
    elif isinstance(source, Image.Image):
        with image_errors(f"{GIVEN_IMAGE} cannot be decoded", GIVEN_FIX):
            image = to_rgb(ImageOps.exif_transpose(source))
    else:
        name = name_of(source)
        with open_image(source) as opened, image_errors(f"{name} is damaged", FILE_FIX):
            opened.draft(None, (longest, longest))
            image = to_rgb(ImageOps.exif_transpose(opened))
    if max(image.size) > longest:
        image = image.copy()
        image.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    return image


def _decode(image: Image.Image, name: str, settings: ImageSettings) -> RGB:
    _refuse_many_scans(image, name)
    image.draft(None, (settings.draft, settings.draft))
    image.load()
    orientation = _orientation(image)
    return _to_model(to_rgb(image), settings, orientation)


def _undecoded_copy(image: Image.Image) -> Image.Image:
    """Return a copy of a given JPEG that is not decoded yet, because draft() shrinks the image."""
    if image.format != "JPEG" or not getattr(image, "tile", None):
        return image
    content = _content(image)
    return Image.open(io.BytesIO(content), formats=("JPEG",)) if content else image


def _content(image: Image.Image) -> bytes:
    """Return the bytes of an image's file; none where the image has no file."""
    stream = getattr(image, "fp", None)
    if stream is None:
        return b""
    position = stream.tell()
    stream.seek(0)
    content: bytes = stream.read()
    stream.seek(position)
    return content


def _refuse_many_scans(image: Image.Image, name: str) -> None:
    """Refuse a small file that takes minutes to decode."""
    if not image.info.get("progressive"):
        return
    scans = _count_scans(image)
    if scans > MAX_SCANS:
        raise ImageError(
            f"{name} has {scans} scans, refused before decoding",
            allowed=f"{MAX_SCANS} scans of a progressive JPEG",
            fix="save it as an ordinary JPEG",
        )


def _count_scans(image: Image.Image) -> int:
    """Return the number of scans of a JPEG; its file is read in parts, because it may be large."""
    stream = getattr(image, "fp", None)
    if stream is None:
        return 0
    position, scans, end = stream.tell(), 0, b""
    stream.seek(0)
    while part := stream.read(PART_BYTES):
        scans += (end + part).count(SCAN_MARKER)
        end = part[-1:] if part[-1:] == SCAN_MARKER[:1] else b""
    stream.seek(position)
    return scans


def _orientation(image: Image.Image) -> Image.Transpose | None:
    try:
        return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # EXIF is damaged, but the pixels were decoded
        return None


_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _to_model(
    image: Image.Image, settings: ImageSettings, orientation: Image.Transpose | None = None
) -> RGB:
    """Return the square that the model sees of an RGB image."""
    width, height = image.size
    box = (0.0, 0.0, float(width), float(height))
    if settings.geometry == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    square = image.resize((settings.size, settings.size), Image.Resampling.BILINEAR, box=box)
    if orientation is not None:  # after the resize, because the square is small
        square = square.transpose(orientation)
    return np.asarray(square, dtype=np.uint8)


def _from_array(pixels: RGB) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ImageError(
            f"an array of shape {pixels.shape} and type {pixels.dtype} is not an image",
            allowed="(H, W, 3) uint8, RGB",
        )
    return Image.fromarray(pixels)
