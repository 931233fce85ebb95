"""Turns an image file into the uint8 RGB array that the model sees; numpy and Pillow only.

Training, calibration, evaluation and the device all call `load_rgb`. Nothing else in the project
resizes an image for a model.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ...errors import ImageError
from ..image_settings import ImageSettings
from .colour import to_opaque
from .colour_profile import profile_mode, to_srgb
from .decoding import FROM_CONTENT, content_of, decode
from .file_flags import ASSUMED_RANGE
from .lazy_image import StripedImage
from .opening import UNKNOWN_CAMERA, Header, header_of, open_image, open_source
from .opening_errors import FILE_FIX, GIVEN_FIX, GIVEN_IMAGE, image_errors
from .sample_range import to_8_bits
from .sources import name_of, resolve_source

if TYPE_CHECKING:
    from ..types import RGB, FileSource, ImageSource

PIXELS_AT_ONCE = 4_000_000  # of an image that is converted to RGB, so that the copies stay small
ARRAYS = "an (H, W, 3) or (H, W) array of uint8 or uint16"


def load_rgb(source: ImageSource, settings: ImageSettings | None = None) -> RGB:
    """Return the pixels the model sees.

    Parameters
    ----------
    source : str, os.PathLike, bytes, binary file object, PIL.Image.Image or ndarray
        Bytes and file objects are the content of a file; `resolve_source` says how they are
        read. An array is (H, W, 3) or (H, W), of uint8 or uint16. Of a file, the first frame or
        the largest page. EXIF orientation is applied, samples of more than 8 bits are scaled by
        their range, transparent pixels are blended with white, palette, grey, CMYK and 1-bit
        images are converted to RGB, and colour profiles to sRGB.
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
        The camera of an array is ``"unknown"``. Its flags say why a person should look at the
        image although it was read. A given PIL.Image is not changed.

    Raises
    ------
    ImageError
        As `load_rgb`.
    """
    settings, given = settings or ImageSettings(), resolve_source(source)
    if isinstance(given, np.ndarray):
        image, flags = image_of_array(given)
        return _to_model(image, settings)[0], Header(*image.size, UNKNOWN_CAMERA, flags)
    name, problem, fix = wording(given)
    with opened_source(given) as image, image_errors(name, problem, fix):
        # of a PNG, Pillow decodes all pixels to find the EXIF data
        header = None if image.format == "PNG" else header_of(image)
        decoded, flags = decode(image, settings.draft)
        header = header or header_of(decoded)
        rgb, colour_flags = _to_model(decoded, settings, _orientation(decoded))
        flags = tuple(dict.fromkeys(header.flags + flags + colour_flags))
        return rgb, dataclasses.replace(header, flags=flags)


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
    return load_flagged_picture(source, longest)[0]


def load_flagged_picture(source: ImageSource, longest: int) -> tuple[Image.Image, tuple[str, ...]]:
    """Return an image for people, as `load_picture`, and the flags of its file.

    Parameters
    ----------
    source : as of `load_rgb`
    longest : int
        The largest width and height of the result, in pixels.

    Returns
    -------
    PIL.Image.Image, RGB
    tuple of str
        As the flags of `Header`.

    Raises
    ------
    ImageError
        As `load_rgb`.
    """
    from PIL import ImageOps  # here, because `classify` without overlays does not need it

    given = resolve_source(source)
    if isinstance(given, np.ndarray):
        decoded, flags = image_of_array(given)
    else:
        name, problem, fix = wording(given)
        with opened_source(given) as image, image_errors(name, problem, fix):
            decoded, flags = decode(image, longest)
            if isinstance(decoded, StripedImage):
                decoded = thumbnail_of_strips(decoded, longest)
            decoded.load()
    with image_errors(*wording(given)):
        picture = to_opaque(ImageOps.exif_transpose(decoded), profile_mode(decoded))
        if max(picture.size) > longest:
            picture = picture.copy()
            picture.thumbnail((longest, longest), Image.Resampling.BILINEAR)
        picture, colour_flags = to_srgb(picture, decoded)
        return picture, tuple(dict.fromkeys(flags + colour_flags))


def wording(source: FileSource | Image.Image | RGB) -> tuple[str, str, str]:
    """Return the name of an image, what is wrong if it cannot be decoded, and the fix."""
    if isinstance(source, np.ndarray | Image.Image):
        return GIVEN_IMAGE, "cannot be decoded", GIVEN_FIX
    return name_of(source), "is damaged", FILE_FIX


@contextlib.contextmanager
def opened_source(source: FileSource | Image.Image) -> Iterator[Image.Image]:
    """Open a file, or the file of a given image that is not decoded yet.

    A given image is not closed. Pillow's own decoding would not check the file, and not shrink it.
    """
    if not isinstance(source, Image.Image):
        with open_image(source) as image:
            yield image
    elif getattr(source, "tile", None) and source.tell() == 0:
        with image_errors(*wording(source)):
            content = content_of(source)
            if not content and source.format in FROM_CONTENT:
                raise ImageError(f"{GIVEN_IMAGE} was closed before it was decoded", fix=GIVEN_FIX)
        with open_source(io.BytesIO(content), GIVEN_IMAGE) if content else source as image:
            yield image
    else:
        with image_errors(*wording(source)):
            source.load()
        if 0 in source.size:
            raise ImageError(f"{GIVEN_IMAGE} has no pixels (size {source.size})")
        yield source


def upright(image: Image.Image) -> Image.Image:
    """Return an image with its EXIF orientation applied; the same object if it is upright.

    `PIL.ImageOps.exif_transpose` does the same, but copies the pixels of an upright image too.
    """
    orientation = _orientation(image)
    return image if orientation is None else image.transpose(orientation)


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
) -> tuple[RGB, tuple[str, ...]]:
    """Return the square that the model sees of a decoded image, and flags of its colours."""
    width, height = image.size
    box = (0.0, 0.0, float(width), float(height))
    if settings.geometry == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    mode = profile_mode(image)
    many = image.width * image.height > PIXELS_AT_ONCE and image.mode not in ("RGB", mode)
    if many or isinstance(image, StripedImage):
        image, source = _narrowed(image, settings.size, box, mode), image
        box = (0.0, box[1], float(settings.size), box[3])
    else:
        image, source = to_opaque(image, mode), image
    square = image.resize((settings.size, settings.size), Image.Resampling.BILINEAR, box=box)
    square, flags = to_srgb(square, source)
    if orientation is not None:  # after the resize, because the square is small
        square = square.transpose(orientation)
    return np.asarray(square, dtype=np.uint8), flags


def _narrowed(
    image: Image.Image, size: int, box: tuple[float, float, float, float], mode: str | None
) -> Image.Image:
    """Return an image resized in width alone, which is the first of the two passes of a resize.

    A few rows at a time are converted. The pixels are the same as those of one resize.
    """
    strips = []
    for strip in _strips(image):
        part = (box[0], 0.0, box[2], float(strip.height))
        opaque = to_opaque(strip, mode)
        strips.append(opaque.resize((size, strip.height), Image.Resampling.BILINEAR, box=part))
    narrow = Image.new(strips[0].mode, (size, image.height))
    top = 0
    for strip in strips:
        narrow.paste(strip, (0, top))
        top += strip.height
    return narrow


def thumbnail_of_strips(image: StripedImage, longest: int) -> Image.Image:
    """Return a reduced image, RGB or of the mode that its profile needs."""
    scale = min(1.0, longest / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    box = (0.0, 0.0, float(image.width), float(image.height))
    narrow = _narrowed(image, width, box, profile_mode(image))
    reduced = narrow.resize((width, height), Image.Resampling.BILINEAR)
    reduced.info, reduced.format = dict(image.info), image.format
    reduced.info.pop("transparency", None)
    return reduced


def _strips(image: Image.Image) -> Iterator[Image.Image]:
    """Yield the rows of an image from top to bottom."""
    if isinstance(image, StripedImage):
        yield from image.strips()
        return
    rows = max(1, PIXELS_AT_ONCE // image.width)
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def image_of_array(pixels: NDArray[Any]) -> tuple[Image.Image, tuple[str, ...]]:
    """Return the image of an array, by the rules of a file of the same samples."""
    is_picture = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if pixels.dtype not in (np.uint8, np.uint16) or not is_picture or not pixels.size:
        raise ImageError(
            f"an array of shape {pixels.shape} and type {pixels.dtype} is not an image",
            allowed=ARRAYS,
        )
    if pixels.dtype == np.uint8:
        return Image.fromarray(pixels), ()
    narrow, assumed = to_8_bits(pixels, 16)
    return Image.fromarray(narrow), (ASSUMED_RANGE,) if assumed else ()
