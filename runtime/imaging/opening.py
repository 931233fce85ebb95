"""Opens an image file, checks its header, and turns decoder errors into `ImageError`."""

from __future__ import annotations

import os
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from ...errors import ImageError
from .opening_errors import (
    DAMAGE,
    FILE_FIX,
    GIVEN_FIX,
    GIVEN_IMAGE,
    MEMORY_FIX,
    describe,
    image_errors,
)

if TYPE_CHECKING:
    from ..types import FileSource

# Pillow loads the plugins of the first five by itself. Trying one of the others loads all plugins.
IMAGE_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000")
# The last two are wrong; Pillow accepts them.
TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*")
MAX_MEGAPIXELS = 200
UNKNOWN_CAMERA = "unknown"
# 200 megapixels of three colours of 16 bits, which is the largest image that is read.
MAX_FILE_MIB = 1250
SLIDE_FIX = (
    "export the field of view, not the whole slide (ImageScope: Extract Region; QuPath: "
    "File > Export images > Original pixels)"
)
SLIDE_SUFFIXES = frozenset({".svs"})
# Names that say no more than the content. Of other names, some belong to half-transferred files,
# and some to files that begin with a thumbnail in another format.
PLAIN_SUFFIXES = frozenset(
    {"", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm", ".jp2"}
)

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
    taken : str or None
        When the picture was taken, as EXIF writes it: ``"2024:05:31 09:12:00"``.
    """

    width: int
    height: int
    camera: str
    flags: tuple[str, ...] = ()
    taken: str | None = None


def open_image(source: FileSource) -> Image.Image:
    """Open an image file without decoding it.

    Parameters
    ----------
    source : str, os.PathLike or binary file object
        A file object is read from its beginning, and stays open. It can be sought.

    Returns
    -------
    PIL.Image.Image
        Not yet loaded; the caller closes it.

    Raises
    ------
    ImageError
        If the file does not exist, is not a regular file, is empty, has more than
        `MAX_FILE_MIB`, cannot be read, is of no kind that alledge reads, is named as one whose
        transfer has not ended, or declares more than 200 megapixels.
    """
    if isinstance(source, str | os.PathLike):
        name = os.fsdecode(source)
        size = _regular_size(name)
        file: Path | BinaryIO = Path(name)
    else:
        name, file = GIVEN_IMAGE, source
        with image_errors(name, "cannot be read", GIVEN_FIX):
            size = source.seek(0, os.SEEK_END)
            source.seek(0)
    if size == 0:
        raise ImageError(f"{name} is empty (0 bytes)", fix=FILE_FIX)
    if _is_unusual(file):
        from .refusals import refuse_by_name

        refuse_by_name(name)
    _refuse_large_file(name, size)
    image = open_source(file, name)
    if image.width * image.height > MAX_MEGAPIXELS * 1_000_000:
        image.close()
        raise _too_large(name)
    return image


def _regular_size(name: str) -> int:
    """Return the bytes of a file; nothing that is not a regular file is opened."""
    try:
        status = os.stat(name)  # noqa: PTH116 - Path("") is the current folder
    except FileNotFoundError:
        if not name:
            raise ImageError("an empty name is no file", fix="name an image file") from None
        raise ImageError(f"there is no file {name}", fix="check the path") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{name} cannot be read: {describe(error)}") from None
    if not stat.S_ISREG(status.st_mode):
        from .refusals import not_a_file

        raise not_a_file(name, status.st_mode)
    return status.st_size


def _is_unusual(file: Path | BinaryIO) -> bool:
    """Return whether the name of a file may say more than its content."""
    if not isinstance(file, Path):
        return False
    return file.suffix.lower() not in PLAIN_SUFFIXES or file.name.startswith((".", "~"))


def _refuse_large_file(name: str, size: int) -> None:
    """Refuse a file that is larger than any image of 200 megapixels; its decoder may read it."""
    if size > MAX_FILE_MIB << 20:
        raise ImageError(
            f"{name} has {size >> 20} MiB, refused before decoding",
            allowed=f"{MAX_FILE_MIB} MiB, as {MAX_MEGAPIXELS} megapixels of 16-bit RGB have",
            fix=SLIDE_FIX,
        )


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
        from .refusals import open_unidentified

        with image_errors(name, "cannot be read", FILE_FIX):
            return open_unidentified(source, name)
    except Image.DecompressionBombError:
        raise _too_large(name) from None
    except ImageError as error:
        problem = "is a TIFF that cannot be read"  # the others are opened by Pillow
        what = error.what if error.what.startswith(DAMAGE) else f"{problem}: {error.what}"
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


def _too_large(name: str) -> ImageError:
    what = (
        "is the slide of a scanner and declares"
        if PurePath(name).suffix.lower() in SLIDE_SUFFIXES
        else "declares"
    )
    return ImageError(
        f"{name} {what} more than {MAX_MEGAPIXELS} megapixels, refused before decoding",
        fix=SLIDE_FIX,
    )


def read_header(source: FileSource) -> Header:
    """Return size and camera of an image file without decoding its pixels.

    Parameters
    ----------
    source : str, os.PathLike or binary file object

    Returns
    -------
    Header

    Raises
    ------
    ImageError
        As `open_image`.
    """
    with open_image(source) as image:
        return header_of(image)


def header_of(image: Image.Image) -> Header:
    """Return size, camera and time of an opened image; its EXIF data may be damaged."""
    try:
        exif = image.getexif()
        model, make = exif.get(ExifTags.Base.Model), exif.get(ExifTags.Base.Make)
        turned = exif.get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except Exception:  # EXIF is damaged; the pixels may be intact
        model, make, turned = None, None, False
    camera = str(model or make or "").replace("\x00", " ").strip()
    # of a TIFF, Pillow gives the upright size already
    width, height = image.size[::-1] if turned and image.format != "TIFF" else image.size
    return Header(width, height, camera or UNKNOWN_CAMERA, taken=_time_taken(image))


def _time_taken(image: Image.Image) -> str | None:
    """Return when a picture was taken; damage here leaves camera and orientation as they are."""
    try:
        exif = image.getexif()
        taken = exif.get(ExifTags.Base.DateTime)
        if ExifTags.Base.ExifOffset in exif:
            details = exif.get_ifd(ExifTags.Base.ExifOffset)
            taken = details.get(ExifTags.Base.DateTimeOriginal) or taken
    except Exception:  # as in `header_of`
        return None
    return taken if isinstance(taken, str) else None
