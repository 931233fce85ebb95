"""Opens an image file, checks its header, and turns decoder errors into `ImageError`."""

from __future__ import annotations

import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from ...errors import ImageError
from .opening_errors import DAMAGE, FILE_FIX, MEMORY_FIX, describe

# Pillow loads the plugins of the first five by itself. Trying one of the others loads all plugins.
IMAGE_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000")
# The last two are wrong; Pillow accepts them.
TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*")
MAX_MEGAPIXELS = 200
UNKNOWN_CAMERA = "unknown"

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
    return open_source(path, str(path))


def open_source(source: Path | BinaryIO, name: str) -> Image.Image:
    """Open an image file by its content.

    Parameters
    ----------
    source : Path or binary file
        A binary file must stay open until the image is decoded.
    name : str
        For messages.

    Returns
    -------
    PIL.Image.Image
        Not yet loaded; the caller closes it.

    Raises
    ------
    ImageError
        As `open_image`.
    """
    try:
        if _signature(source) in TIFF_SIGNATURES:
            from .tiff import open_tiff  # most files are no TIFF

            return open_tiff(source, MAX_MEGAPIXELS * 1_000_000)
        return Image.open(source, formats=IMAGE_FORMATS)
    except UnidentifiedImageError:
        raise ImageError(
            f"{name} is not an image in a known format", allowed=", ".join(IMAGE_FORMATS)
        ) from None
    except Image.DecompressionBombError:
        raise ImageError(
            f"{name} declares more than {MAX_MEGAPIXELS} megapixels, refused before decoding",
            fix="export the field of view, not the whole slide",
        ) from None
    except ImageError as error:
        what = error.what if error.what.startswith(DAMAGE) else f"cannot be read: {error.what}"
        raise ImageError(f"{name} {what}", allowed=error.allowed, fix=error.fix) from None
    except MemoryError:
        raise ImageError(f"{name} needs more memory than is free", fix=MEMORY_FIX) from None
    except Exception as error:  # a damaged header may raise anything inside a decoder
        raise ImageError(f"{name} cannot be read: {describe(error)}") from None


def _signature(source: Path | BinaryIO) -> bytes:
    """Return the first four bytes of a file."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(4)
    source.seek(0)
    signature = source.read(4)
    source.seek(0)
    return signature


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
