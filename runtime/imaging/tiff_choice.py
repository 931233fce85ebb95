"""Decides which page of a TIFF file is the picture, and which files are refused by name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import ImageError
from .file_flags import SEVERAL_IMAGES, SHARE_OF_OTHER_PICTURE
from .tiff_pages import TiffPage

SAVE_FIX = "save the picture as 8-bit RGB TIFF or PNG"
STACK_FIX = "export the picture as one RGB file"

WEBP = 50001  # compression, which the libtiff of Pillow often lacks

_NO_PIXELS = {
    4: "a mask", 8: "CIELab colours", 9: "CIELab colours", 10: "CIELab colours",
    32803: "raw sensor values", 34892: "raw sensor values", 32844: "LogLuv radiances",
    32845: "LogLuv radiances", 51177: "a depth map",
}  # fmt: skip
_RED_GREEN_BLUE = ("red", "green", "blue")
_OME_COLOURS = {0xFF0000: "red", 0x00FF00: "green", 0x0000FF: "blue"}


@dataclass(frozen=True)
class TiffChoice:
    """The picture of a TIFF file.

    Parameters
    ----------
    page : TiffPage
    flags : tuple of str
        ``several_images`` if the file has other pictures.
    order : tuple of int
        Which plane of a stack of three channels is red, green and blue; empty for one page.
    """

    page: TiffPage
    flags: tuple[str, ...] = ()
    order: tuple[int, ...] = ()


def choose_page(pages: list[TiffPage]) -> TiffChoice:
    """Return the largest picture of a TIFF file.

    Several colour pages of about that size are several pictures: the first is chosen, with a flag.
    Several grey pages of one size are channels, planes or times. They are combined if the
    metadata of OME or ImageJ says that they are red, green and blue, else refused.

    Parameters
    ----------
    pages : list of TiffPage

    Returns
    -------
    TiffChoice

    Raises
    ------
    ImageError
        If the pages are channels or planes of unknown meaning.
    """
    pictures = [page for page in pages if not page.reduced] or pages
    largest = max(pictures, key=lambda page: page.pixels)
    others = [
        page
        for page in pictures
        if page is not largest and page.pixels > SHARE_OF_OTHER_PICTURE * largest.pixels
    ]
    planes = sum(
        (page.width, page.height, page.samples) == (largest.width, largest.height, 1)
        for page in [largest, *others]
    )
    planes = max(planes, _planes_in_metadata(pages[0])) if largest.samples == 1 else 1
    if planes > 1 and largest.photometric != 3:
        order = _channels(pages[0].description)
        if planes != 3 or order is None:
            raise ImageError(
                f"it holds {planes} grey pictures of one size, and no metadata that says that they "
                "are red, green and blue",
                fix=STACK_FIX,
            )
        return TiffChoice(pages[0], order=order)
    return TiffChoice(largest, (SEVERAL_IMAGES,) if others or planes > 1 else ())


def refuse_unknown_pixels(page: TiffPage) -> None:
    """Refuse a page whose samples have no meaning as a colour picture.

    Raises
    ------
    ImageError
        Names what the samples are.
    """
    colours = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}.get(page.photometric)
    reason = ""
    if page.photometric in _NO_PIXELS:
        reason = f"it holds {_NO_PIXELS[page.photometric]}"
    elif page.photometric == -1:
        reason = "it does not say what its samples mean (tag PhotometricInterpretation)"
    elif colours is None:
        reason = f"its colour space ({page.photometric}) is unknown"
    elif page.sample_format == 3:
        reason = "its floating-point pixels have no known range"
    elif page.sample_format not in (1, 2) or len(set(page.bits)) > 1 or page.bits[0] > 32:
        reason = f"samples of {page.bits} bits and format {page.sample_format} are unknown"
    elif page.samples < colours:
        reason = f"it has {page.samples} samples a pixel in a colour space of {colours}"
    elif (colours == 1 and page.samples > 2) or page.samples > colours + 3:
        reason = f"it has {page.samples} channels, and does not say that they are colours"
    elif page.photometric == 3 and page.bits[0] > 8:
        reason = f"its palette of {page.bits[0]} bits is unknown"
    elif page.photometric == 6 and page.compression == 1:
        reason = "its YCbCr samples are stored without JPEG"
    elif page.photometric == 6 and page.bits[0] != 8:
        reason = f"its YCbCr samples have {page.bits[0]} bits"
    if reason:
        raise ImageError(reason, fix=SAVE_FIX)


def pillow_is_right(page: TiffPage) -> bool:
    """Return whether Pillow decodes the page with all bits, or all but the low eight of RGB."""
    bits = page.bits[0]
    if page.inner >= 0 or page.sample_format != 1 or page.compression == WEBP:
        return False
    if page.planar and (page.reversed_bits or 1 in page.extra_samples):
        return False
    if bits == 8 or (bits < 8 and page.samples == 1):
        return True
    if page.samples == 1 and page.photometric in (0, 1):
        return bits in (12, 16)
    return bits == 16 and not page.planar and _is_plain(page)


def _is_plain(page: TiffPage) -> bool:
    """Return whether the samples are RGB, RGB with a separate alpha, or CMYK."""
    plain_alpha = page.samples == 4 and page.extra_samples in ((2,), ())
    return (page.photometric == 2 and (page.samples == 3 or plain_alpha)) or (
        page.photometric == 5 and page.samples == 4
    )


def _planes_in_metadata(page: TiffPage) -> int:
    """Return how many planes the description of ImageJ or OME declares, at least 1."""
    text = page.description
    if text.startswith("ImageJ="):
        declared = re.search(r"^images=(\d{1,9})\s*$", text, re.MULTILINE)
        return int(declared[1]) if declared else 1
    if "<OME" in text[:2000]:
        sizes = re.findall(r'\bSize[CZT]="(\d{1,9})"', text[:100_000])[:3]
        planes = 1
        for size in sizes:
            planes *= max(1, int(size))
        return planes
    return 1


def _channels(description: str) -> tuple[int, ...] | None:
    """Return which plane is red, green and blue, if the metadata says it."""
    if description.startswith("ImageJ="):
        lines = dict(line.split("=", 1) for line in description.splitlines() if "=" in line)
        is_rgb = lines.get("channels", "").strip() == "3" and lines.get("mode", "").strip() in (
            "composite",
            "color",
        )
        return (0, 1, 2) if is_rgb else None
    names = []
    for channel in re.findall(r"<(?:\w+:)?Channel\b[^>]*>", description[:1_000_000])[:3]:
        name = re.search(r'\bName="([^"]*)"', channel)
        colour = re.search(r'\bColor="(-?\d{1,12})"', channel)
        by_colour = _OME_COLOURS.get((int(colour[1]) >> 8) & 0xFFFFFF) if colour else None
        by_name = name[1].strip().lower() if name else ""
        names.append(by_name if by_name in _RED_GREEN_BLUE else by_colour or "")
    if "<OME" not in description[:2000] or sorted(names) != sorted(_RED_GREEN_BLUE):
        return None
    return tuple(names.index(name) for name in _RED_GREEN_BLUE)
