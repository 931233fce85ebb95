"""Turns an image file into the uint8 RGB array that the model sees; numpy and Pillow only.

Training, calibration, evaluation and the device all call `load_rgb`. Nothing else in the project
resizes an image for a model.
"""

from __future__ import annotations

import contextlib
import io
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from ..errors import ImageError
from .image_settings import ImageSettings

if TYPE_CHECKING:
    from .types import RGB, ImageSource

# Pillow loads the plugins of the first five by itself. Trying one of the others loads all plugins.
IMAGE_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000")
MAX_MEGAPIXELS = 200
# Scans of a progressive JPEG. A usual file has about ten; each costs a pass over all pixels.
MAX_SCANS = 100
SCAN_MARKER = b"\xff\xda"
UINT16_PER_UINT8 = 257  # 65535 / 255
ROWS_AT_ONCE = 256  # rows of a 16-bit image that are converted to 8 bits at once
UNKNOWN_CAMERA = "unknown"
GIVEN_IMAGE, GIVEN_FIX = "the given image", "load it before its file is closed"
FILE_FIX = "copy it from the camera again"

# Pillow refuses an image of more than twice this number of pixels before it decodes it.
Image.MAX_IMAGE_PIXELS = MAX_MEGAPIXELS * 1_000_000 // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Pillow warns about damaged tags on stderr; only the pixels matter here.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


@dataclass(frozen=True)
class Header:
    """What the header of an image file says.

    Parameters
    ----------
    width, height : int
        Upright size in pixels, EXIF orientation applied.
    camera : str
        EXIF model, else the make, else ``"unknown"``.
    """

    width: int
    height: int
    camera: str


def open_image(path: str | Path) -> Image.Image:
    """Open an image file without decoding it.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    PIL.Image.Image
        Not yet loaded; the caller closes it.

    Raises
    ------
    ImageError
        If the file does not exist, is not a regular file, is empty, cannot be read, is in no
        known image format, or declares more than 200 megapixels.
    """
    path = Path(path)
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ImageError(f"there is no file {path}", fix="check the path") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} cannot be read: {_reason(error)}") from None
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{path} is not a regular file", fix="name an image file")
    if status.st_size == 0:
        raise ImageError(f"{path} is empty (0 bytes)", fix="copy it from the camera again")
    try:
        return Image.open(path, formats=IMAGE_FORMATS)
    except UnidentifiedImageError:
        raise ImageError(
            f"{path} is not an image in a known format", allowed=", ".join(IMAGE_FORMATS)
        ) from None
    except Image.DecompressionBombError:
        raise ImageError(
            f"{path} declares more than {MAX_MEGAPIXELS} megapixels, refused before decoding",
            fix="export the field of view, not the whole slide",
        ) from None
    except Exception as error:  # a damaged header may raise anything inside a decoder
        raise ImageError(f"{path} cannot be read: {_reason(error)}") from None


def load_rgb(source: ImageSource, settings: ImageSettings | None = None) -> RGB:
    """Return the pixels the model sees.

    Parameters
    ----------
    source : str, Path, PIL.Image.Image or (H, W, 3) ndarray of uint8
        Of a file, the first frame or page. EXIF orientation is applied, 16-bit samples are
        divided by 257, transparent pixels are blended with white, and palette, grey, CMYK and
        1-bit images are converted to RGB.
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
    source : str, Path, PIL.Image.Image or (H, W, 3) ndarray of uint8
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
    settings = settings or ImageSettings()
    if isinstance(source, np.ndarray):
        image = _from_array(source)
        return _to_model(image, settings), Header(*image.size, UNKNOWN_CAMERA)
    if isinstance(source, Image.Image):
        with _image_errors(f"{GIVEN_IMAGE} cannot be decoded", GIVEN_FIX):
            header = _header(source)
            return _decode(_undecoded_copy(source), GIVEN_IMAGE, settings), header
    if not isinstance(source, str | Path):
        raise ImageError(
            f"a {type(source).__name__} is not an image",
            allowed="a path, a PIL.Image, an (H, W, 3) array of uint8",
        )
    with open_image(source) as image, _image_errors(f"{source} is damaged", FILE_FIX):
        header = _header(image)
        return _decode(image, str(source), settings), header


def load_picture(source: ImageSource, longest: int) -> Image.Image:
    """Return an upright image at its own aspect ratio, for people; the model never sees it.

    Parameters
    ----------
    source : str, Path, PIL.Image.Image or (H, W, 3) ndarray of uint8
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

    if isinstance(source, np.ndarray):
        image = _from_array(source)
    elif isinstance(source, Image.Image):
        with _image_errors(f"{GIVEN_IMAGE} cannot be decoded", GIVEN_FIX):
            image = _to_rgb(ImageOps.exif_transpose(source))
    else:
        with open_image(source) as opened, _image_errors(f"{source} is damaged", FILE_FIX):
            opened.draft(None, (longest, longest))
            image = _to_rgb(ImageOps.exif_transpose(opened))
    if max(image.size) > longest:
        image = image.copy()
        image.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    return image


def read_header(path: str | Path) -> Header:
    """Return size and camera of an image file without decoding its pixels.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Header

    Raises
    ------
    ImageError
        As `open_image`.
    """
    with open_image(path) as image:
        return _header(image)


def _header(image: Image.Image) -> Header:
    try:
        exif = image.getexif()
        model, make = exif.get(ExifTags.Base.Model), exif.get(ExifTags.Base.Make)
        turned = exif.get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except Exception:  # EXIF is damaged; the pixels may be intact
        model, make, turned = None, None, False
    camera = str(model or make or "").replace("\x00", " ").strip()
    # of a TIFF, Pillow gives the upright size already
    width, height = image.size[::-1] if turned and image.format != "TIFF" else image.size
    return Header(width, height, camera or UNKNOWN_CAMERA)


@contextlib.contextmanager
def _image_errors(problem: str, fix: str) -> Iterator[None]:
    """Turn whatever Pillow raises into an `ImageError`.

    Decoders raise OSError, SyntaxError, struct.error and others; an image whose file was closed
    raises ValueError.
    """
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"{problem}: {_reason(error)}", fix=fix) from None


def _decode(image: Image.Image, name: str, settings: ImageSettings) -> RGB:
    _refuse_many_scans(image, name)
    image.draft(None, (settings.draft, settings.draft))
    image.load()
    orientation = _orientation(image)
    return _to_model(_to_rgb(image), settings, orientation)


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
    scans = _content(image).count(SCAN_MARKER)
    if scans > MAX_SCANS:
        raise ImageError(
            f"{name} has {scans} scans, refused before decoding",
            allowed=f"{MAX_SCANS} scans of a progressive JPEG",
            fix="save it as an ordinary JPEG",
        )


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


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # 16-bit grey: I;16, I;16B, or I holding 16-bit values
        samples = np.asarray(image)
        if samples.min() < 0 or samples.max() > np.iinfo(np.uint16).max:
            raise ImageError(f"pixels from {samples.min()} to {samples.max()} have no known range")
        grey = np.empty(samples.shape, np.uint8)
        for top in range(0, len(samples), ROWS_AT_ONCE):
            rows = samples[top : top + ROWS_AT_ONCE].astype(np.uint32)
            grey[top : top + ROWS_AT_ONCE] = (rows + UINT16_PER_UINT8 // 2) // UINT16_PER_UINT8
        return Image.fromarray(grey).convert("RGB")
    if image.mode == "F":
        raise ImageError("floating-point pixels have no known range", fix="save it as 8-bit RGB")
    if image.has_transparency_data:
        return Image.alpha_composite(
            Image.new("RGBA", image.size, "white"), image.convert("RGBA")
        ).convert("RGB")
    return image.convert("RGB")


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


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
