"""Reads DICOM files of one picture with pydicom; reads no patient data, and keeps none.

Only the tags of `TAGS` are read. Errors of pydicom are not passed on, because they may quote
values of other tags.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import ExifTags, Image
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from ....errors import ImageError
from ..known_files import SAVE_AS
from ..lazy_image import LazyImage

TAGS = [
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "Rows", "Columns",
    "NumberOfFrames", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "ModalityLUTSequence",
    "RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "ICCProfile",
    "Manufacturer", "ManufacturerModelName",
]  # fmt: skip
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
GREYS = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
PIXEL_TAGS = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")  # the tag PixelData, in both byte orders
LONGEST_NAME = 64  # characters of a value of the type LO
DEFLATED = "1.2.840.10008.1.2.1.99"
BITS = range(8, 17)
LOOKUP_TABLES = ("VOILUTSequence", "ModalityLUTSequence")
EXPORT_FIX = f"export one picture with the viewer of your archive: {SAVE_AS}"


# Warnings and log lines of pydicom may quote values.
warnings.filterwarnings("ignore", module=r"pydicom\.")
logging.getLogger("pydicom").addFilter(lambda _: False)


def open_dicom(file: Path | BinaryIO, name: str) -> Image.Image:
    """Open the picture of a DICOM file.

    Parameters
    ----------
    file : Path or binary file object
        A file object stays open until the picture is decoded.
    name : str
        Of the file, in messages.

    Returns
    -------
    PIL.Image.Image
        Not yet decoded, of mode RGB.

    Raises
    ------
    ImageError
        If the file is damaged, holds no picture or several, or pixels whose meaning or
        compression is not supported.
    """
    try:
        record, has_pixels = _read_header(file)
        refusal = _refusal(record, has_pixels=has_pixels)
        size = (int(record.get("Columns") or 0), int(record.get("Rows") or 0))
        info = _info(record)
    except MemoryError:
        raise
    except Exception as error:  # its text may quote values
        problem = f"{name} is a DICOM file that cannot be read ({type(error).__name__})"
        raise ImageError(problem, fix=EXPORT_FIX) from None
    if refusal:
        raise ImageError(f"{name} is a DICOM file {refusal}", fix=EXPORT_FIX)
    return LazyImage(size, "DICOM", lambda: (_decode_file(file), ()), info)


def _read_header(file: Path | BinaryIO) -> tuple[Any, bool]:
    """Return the tags before the pixels, and whether there are pixels of integers."""
    if isinstance(file, Path):
        with file.open("rb") as stream:
            return _read_header(stream)
    file.seek(0)
    record = pydicom.dcmread(file, specific_tags=TAGS, stop_before_pixels=True)
    return record, file.read(4) in PIXEL_TAGS


def _info(record: Any) -> dict[str, Any]:
    """Return the camera as EXIF data, and the colour profile of a colour picture."""
    info: dict[str, Any] = {}
    camera = str(record.get("ManufacturerModelName") or record.get("Manufacturer") or "")
    if 0 < len(camera) <= LONGEST_NAME:  # a longer one is a damaged file
        exif = Image.Exif()
        exif[ExifTags.Base.Model] = camera
        info["exif"] = exif.tobytes()
    if record.get("ICCProfile") and _photometric(record) not in GREYS:
        info["icc_profile"] = bytes(record.ICCProfile)
    return info


def _decode_file(file: Path | BinaryIO) -> Image.Image:
    """Return the RGB picture of a file.

    Raises
    ------
    OSError
        If it cannot be decoded.
    """
    if not isinstance(file, Path):
        file.seek(0)
    try:
        return Image.fromarray(_decode(pydicom.dcmread(file, specific_tags=TAGS))).convert("RGB")
    except MemoryError:
        raise
    except Exception as error:  # its text may quote values
        raise OSError(f"the pixels cannot be decoded ({type(error).__name__})") from None


def _photometric(record: Any) -> str:
    return str(record.get("PhotometricInterpretation") or "")


def _refusal(record: Any, *, has_pixels: bool) -> str:
    """Return why the picture cannot be read rightly; empty if it can."""
    if not has_pixels or not record.get("Rows") or not record.get("Columns"):
        return "without a picture"
    frames = int(record.get("NumberOfFrames") or 1)
    if frames != 1:
        return f"of {frames} pictures (multi-frame); alledge reads one picture a file"
    photometric, bits = _photometric(record), int(record.get("BitsStored") or 0)
    if photometric not in (*COLOURS, *GREYS, PALETTE):
        return f"with pixels of the kind {photometric!r}"
    if record.get("PixelRepresentation") or bits not in BITS or record.BitsAllocated not in (8, 16):
        return f"with pixels of {bits} bits{', signed' * bool(record.get('PixelRepresentation'))}"
    function = str(record.get("VOILUTFunction") or "LINEAR")
    if photometric in GREYS and function != "LINEAR":
        return f"whose grey values need the function {function}"
    if photometric in COLOURS and record.BitsAllocated != 8:
        return f"with colours of {record.BitsAllocated} bits"
    if photometric in GREYS and any(record.get(tag) for tag in LOOKUP_TABLES):
        return "whose grey values need a lookup table"
    return _syntax_refusal(record.file_meta.get("TransferSyntaxUID", UID("")))


def _syntax_refusal(syntax: UID) -> str:
    """Return why pixels of a transfer syntax cannot be read; empty if they can."""
    if syntax == DEFLATED:
        return "that is compressed as a whole (deflated)"
    if not syntax.is_transfer_syntax:
        return "whose compression is not named"
    try:
        readable = get_decoder(syntax).is_available
    except NotImplementedError:  # a video
        readable = False
    return "" if readable else f"compressed as {syntax.name}"


def _decode(record: Any) -> NDArray[np.uint8]:
    """Return (H, W) grey or (H, W, 3) RGB values of 8 bits."""
    photometric = _photometric(record)
    values = pixel_array(record)
    if photometric == PALETTE:
        colours = apply_color_lut(values, record)
        return (colours >> 8 if colours.dtype == np.uint16 else colours).astype(np.uint8)
    if photometric in COLOURS:
        return values.astype(np.uint8)
    grey = _grey(values.astype(np.float32), record)
    return 255 - grey if photometric == "MONOCHROME1" else grey


def _grey(values: NDArray[np.float32], record: Any) -> NDArray[np.uint8]:
    """Return grey values of 8 bits: of the window of the file, else of all bits stored.

    References
    ----------
    .. [1] DICOM PS3.3, C.11.2.1.2 Window Center and Window Width.
    """
    slope, intercept = record.get("RescaleSlope"), record.get("RescaleIntercept")
    scaled = values * float(slope if slope is not None else 1) + float(intercept or 0)
    centre, width = record.get("WindowCenter"), record.get("WindowWidth")
    if centre is None or width is None:
        low, span = float(intercept or 0), float(2 ** int(record.BitsStored) - 1)
        share = (scaled - low) / (span * float(slope if slope is not None else 1))
    else:
        centre, width = (float(v[0] if _is_several(v) else v) for v in (centre, width))
        share = (scaled - (centre - 0.5)) / max(width - 1, 1e-6) + 0.5
    grey: NDArray[np.uint8] = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    return grey


def _is_several(value: Any) -> bool:
    return isinstance(value, pydicom.multival.MultiValue)
