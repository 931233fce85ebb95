"""The image path: file to the uint8 RGB array the model sees; the only resize in the project.

Training, calibration, evaluation and the device all come through `load_rgb`. Imports numpy and
Pillow only.
"""

from __future__ import annotations

import io
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from ..errors import ImageError
from .image_settings import ImageSettings
from .types import RGB, ImageSource

# The first five are loaded with Pillow itself; reaching the others loads all of its plugins.
IMAGE_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000")
MAX_MEGAPIXELS = 200
# Of a progressive JPEG: an ordinary one has about ten, and each costs a pass over all pixels.
MAX_SCANS = 100
SCAN_MARKER = b"\xff\xda"
UINT16_PER_UINT8 = 257  # 65535 / 255
ROWS_AT_ONCE = 256  # of a 16-bit image, while it is made 8-bit
UNKNOWN_CAMERA = "unknown"

# Pillow refuses above twice its own limit, before decoding; this puts that line at ours.
Image.MAX_IMAGE_PIXELS = MAX_MEGAPIXELS * 1_000_000 // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Damaged tags make Pillow talk on stderr; what it makes of the pixels is what counts.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


@dataclass(frozen=True)
class Header:
    """What an image file says of itself before it is decoded.

    Parameters
    ----------
    width, height : int
        Upright size in pixels, EXIF orientation applied.
    camera : str
        EXIF model (or make), ``"unknown"`` where there is none.
    """

    width: int
    height: int
    camera: str


def open_image(path: str | Path) -> Image.Image:
    """Open an image file without decoding it, refusing what cannot be one.

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
        If there is no such file, it is not a regular one, is empty, cannot be read, is in no
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
        First frame or page of a file; EXIF orientation is applied, 16-bit samples are divided
        by 257, transparency is laid on white, and palette, grey, CMYK and 1-bit become RGB.
    settings : ImageSettings, optional

    Returns
    -------
    (size, size, 3) ndarray of uint8, RGB

    Raises
    ------
    ImageError
        If the file is not an image, is damaged or truncated, or its pixels have no known range.
    """
    return load_image(source, settings)[0]


def load_image(source: ImageSource, settings: ImageSettings | None = None) -> tuple[RGB, Header]:
    """Return the pixels the model sees, as `load_rgb`, and what the file says of itself.

    Parameters
    ----------
    source : str, Path, PIL.Image.Image or (H, W, 3) ndarray of uint8
    settings : ImageSettings, optional

    Returns
    -------
    (size, size, 3) ndarray of uint8, RGB
    Header
        An array names no camera. A given PIL.Image is left as it is.

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
        header = _header(source)
        return _decode(_not_the_callers(source), "the given image", settings), header
    if not isinstance(source, str | Path):
        raise ImageError(
            f"a {type(source).__name__} is not an image",
            allowed="a path, a PIL.Image, an (H, W, 3) array of uint8",
        )
    with open_image(source) as image:
        header = _header(image)
        return _decode(image, str(source), settings), header


def load_picture(source: ImageSource, longest: int) -> Image.Image:
    """Return an image upright and whole, for people to look at; the model never sees it.

    Parameters
    ----------
    source : str, Path, PIL.Image.Image or (H, W, 3) ndarray of uint8
    longest : int
        It is at most this many pixels wide and high.

    Returns
    -------
    PIL.Image.Image, RGB

    Raises
    ------
    ImageError
        As `load_rgb`.
    """
    from PIL import ImageOps  # not on the way to an answer

    if isinstance(source, np.ndarray):
        image = _from_array(source)
    elif isinstance(source, Image.Image):
        image = _to_rgb(ImageOps.exif_transpose(source))
    else:
        try:
            with open_image(source) as opened:
                opened.draft(None, (longest, longest))
                image = _to_rgb(ImageOps.exif_transpose(opened))
        except ImageError:
            raise
        except Exception as error:  # as in _decode
            raise ImageError(f"{source} is damaged: {_reason(error)}") from None
    if max(image.size) > longest:
        image = image.copy()
        image.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    return image


def read_header(path: str | Path) -> Header:
    """Return size and camera of an image file, without decoding its pixels.

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
    except Exception:  # damaged EXIF says nothing of the camera; the pixels may be whole
        model, make, turned = None, None, False
    camera = str(model or make or "").replace("\x00", " ").strip()
    # Pillow turns a TIFF itself, and gives its upright size from the first
    width, height = image.size[::-1] if turned and image.format != "TIFF" else image.size
    return Header(width, height, camera or UNKNOWN_CAMERA)


def _decode(image: Image.Image, name: str, settings: ImageSettings) -> RGB:
    try:
        _refuse_many_scans(image, name)
        image.draft(None, (settings.draft, settings.draft))
        image.load()
        orientation = _orientation(image)
        return _to_model(_to_rgb(image), settings, orientation)
    except ImageError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, …
        raise ImageError(
            f"{name} is damaged: {_reason(error)}", fix="copy it from the camera again"
        ) from None


def _not_the_callers(image: Image.Image) -> Image.Image:
    """Return a JPEG that was given before it was decoded a second time: draft() shrinks it."""
    if image.format != "JPEG" or not getattr(image, "tile", None):
        return image
    content = _content(image)
    return Image.open(io.BytesIO(content), formats=("JPEG",)) if content else image


def _content(image: Image.Image) -> bytes:
    """Return the bytes of the file behind an image, nothing where it has none (any more)."""
    stream = getattr(image, "fp", None)
    if stream is None:
        return b""
    at = stream.tell()
    stream.seek(0)
    content: bytes = stream.read()
    stream.seek(at)
    return content


def _refuse_many_scans(image: Image.Image, name: str) -> None:
    """Refuse a small file that would be decoded for minutes."""
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
    except Exception:  # a damaged EXIF block: the pixels were decoded all the same
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
    """Return an image of any mode as RGB, at its own size."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # 16-bit grey: I;16, I;16B, or I holding 16-bit values
        wide = np.asarray(image)
        if wide.min() < 0 or wide.max() > np.iinfo(np.uint16).max:
            raise ImageError(f"pixels from {wide.min()} to {wide.max()} have no known range")
        grey = np.empty(wide.shape, np.uint8)
        for top in range(0, len(wide), ROWS_AT_ONCE):
            rows = wide[top : top + ROWS_AT_ONCE].astype(np.uint32)
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
    """Return the square the model sees of an RGB image."""
    width, height = image.size
    box = (0.0, 0.0, float(width), float(height))
    if settings.geometry == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    square = image.resize((settings.size, settings.size), Image.Resampling.BILINEAR, box=box)
    if orientation is not None:  # turned after the resize: the square is small
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
