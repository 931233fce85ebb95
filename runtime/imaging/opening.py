"""Opens an image file, checks its header, and turns decoder errors into `ImageError`."""

from __future__ import annotations

import contextlib
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError

from ...errors import ImageError

# Pillow loads the plugins of the first five by itself. Trying one of the others loads all plugins.
IMAGE_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000")
MAX_MEGAPIXELS = 200
UNKNOWN_CAMERA = "unknown"
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
    flags : tuple of str
        Why a person should look at the image, although it was decoded: the file leaves open what
        its pixels mean. Known only after decoding.
    """

    width: int
    height: int
    camera: str
    flags: tuple[str, ...] = ()


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
        raise ImageError(f"{path} cannot be read: {describe(error)}") from None
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{path} is not a regular file", fix="name an image file")
    if status.st_size == 0:
        raise ImageError(f"{path} is empty (0 bytes)", fix=FILE_FIX)
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
        raise ImageError(f"{path} cannot be read: {describe(error)}") from None


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
        return header_of(image)


def header_of(image: Image.Image) -> Header:
    """Return size and camera of an opened image; its EXIF data may be damaged."""
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
def image_errors(problem: str, fix: str) -> Iterator[None]:
    """Turn whatever Pillow raises into an `ImageError`.

    Decoders raise OSError, SyntaxError, struct.error and others; an image whose file was closed
    raises ValueError.
    """
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"{problem}: {describe(error)}", fix=fix) from None


def describe(error: Exception) -> str:
    """Return the reason that an exception gives, else its name."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
