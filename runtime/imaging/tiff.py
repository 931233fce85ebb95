"""Opens a TIFF file with the reader that is right for its picture: Pillow, or tifffile.

Pillow reads 8-bit files, and scrambles or misjudges others: 16 bits in planes, one channel a page,
samples with a sign. tifffile is in the extra ``formats`` and imported when such a file comes.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import ImageError, MissingPackageError
from .file_flags import ASSUMED_RANGE, DAMAGED
from .lazy_image import Decoder, LazyImage
from .opening_errors import damage
from .overwritten import is_overwritten
from .sample_range import refuse_large, to_8_bits
from .tiff_choice import TiffChoice, choose_page, pillow_is_right, refuse_unknown_pixels
from .tiff_pages import TiffPage, read_pages
from .wide_samples import wide_samples

for _library in ("PIL.TiffImagePlugin", "tifffile"):  # else their messages go to stderr
    logging.getLogger(_library).addHandler(logging.NullHandler())
UNCOMPRESSED = 1
# JPEG, JPEG 2000, JPEG XR and WebP: blocks of one colour and noise are their own doing.
LOSSY = (6, 7, 33003, 33004, 33005, 33007, 34712, 34892, 22610, 34934, 50001, 50002)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_tiff(source: Path | BinaryIO, max_pixels: int) -> Image.Image:
    """Open the largest picture of a TIFF file without decoding it.

    Parameters
    ----------
    source : Path or binary file
    max_pixels : int
        A picture of more pixels is refused.

    Returns
    -------
    PIL.Image.Image
        Of mode RGB, unless Pillow alone reads the file.

    Raises
    ------
    ImageError
        If the tags are damaged, or the samples have no known meaning as a picture.
    PIL.Image.DecompressionBombError
        If the picture has more than `max_pixels`.
    """
    stored = source if isinstance(source, Path) else _content(source)
    with _opened(stored) as file:
        pages = read_pages(file)
    choice = choose_page(pages)
    page = choice.page
    if page.pixels > max_pixels:
        raise Image.DecompressionBombError(f"{page.pixels} pixels")
    refuse_unknown_pixels(page)
    refuse_large(page.pixels, page.bits[0])
    if not choice.order and pillow_is_right(page):
        try:
            image = _open_with_pillow(stored, page)
        except Exception:  # Pillow does not know this combination of tags
            pass
        else:
            if page.bits[0] <= 8 and not choice.flags:
                return image
            image.close()
            return _lazy(choice, lambda: _decode_with_pillow(stored, choice))
    return _lazy(choice, lambda: _decode_with_tifffile(stored, choice))


def _content(file: BinaryIO) -> bytes:
    """Return the bytes of a file, which Pillow would close after decoding."""
    file.seek(0)
    return file.read()


def _opened(source: Path | bytes) -> BinaryIO:
    return source.open("rb") if isinstance(source, Path) else io.BytesIO(source)


def _lazy(choice: TiffChoice, decoder: Decoder) -> LazyImage:
    page = choice.page

    def checked() -> tuple[Image.Image, tuple[str, ...]]:
        image, flags = decoder()
        if page.compression in LOSSY or not is_overwritten(image, page.tile_width):
            return image, flags
        return image, (*flags, DAMAGED)

    exif = Image.Exif()
    for tag, value in ((0x010F, page.make), (0x0110, page.model)):
        if value:
            exif[tag] = value
    info: dict[str, Any] = {"exif": exif.tobytes()}
    if page.profile:
        info["icc_profile"] = page.profile
    turned = page.orientation in (5, 6, 7, 8)
    size = (page.height, page.width) if turned else (page.width, page.height)
    return LazyImage(size, "TIFF", checked, info)


def _open_with_pillow(source: Path | bytes, page: TiffPage) -> Image.Image:
    if page.compression != UNCOMPRESSED:
        from .quiet_libtiff import silence_libtiff  # imports ctypes

        silence_libtiff()
    image = Image.open(
        source if isinstance(source, Path) else io.BytesIO(source), formats=("TIFF",)
    )
    try:
        image.seek(page.index)
    except BaseException:
        image.close()
        raise
    return image


def _decode_with_pillow(
    source: Path | bytes, choice: TiffChoice
) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode a page of 8 bits beside others, or of 12 or 16 bits; upright."""
    page = choice.page
    bits = page.bits[0]
    if bits <= 8:
        with _open_with_pillow(source, page) as image:
            image.load()
            return image.convert("RGB"), choice.flags
    if page.samples == 1:
        with _open_with_pillow(source, page) as image:
            samples: NDArray[Any] = np.asarray(image)
    else:
        samples = wide_samples(lambda: _open_with_pillow(source, page))
    image, flags = _to_picture(samples, page)  # Pillow has turned it upright
    return image, choice.flags + flags


def _decode_with_tifffile(
    source: Path | bytes, choice: TiffChoice
) -> tuple[Image.Image, tuple[str, ...]]:
    page = choice.page
    samples = _samples_of_tifffile(source, choice)
    if page.photometric == 6:  # the codec of JPEG returns RGB
        image = Image.fromarray(np.ascontiguousarray(samples[..., :3]))
        flags: tuple[str, ...] = ()
    else:
        image, flags = _to_picture(samples, page, stack=bool(choice.order))
    turn = _UPRIGHT.get(page.orientation)
    return (image.transpose(turn) if turn is not None else image), choice.flags + flags


def _samples_of_tifffile(source: Path | bytes, choice: TiffChoice) -> NDArray[Any]:
    """Return the samples, (H, W) or (H, W, S), in the order of the file's colours."""
    try:
        import tifffile
    except ImportError:
        raise MissingPackageError("tifffile", "formats", f"a TIFF of {_kind(choice)}") from None
    page = choice.page
    try:
        with _opened(source) as file, tifffile.TiffFile(file, _multifile=False) as tiff:
            if choice.order:
                planes = np.squeeze(tiff.series[0].asarray())
                if planes.shape != (3, page.height, page.width):
                    raise damage(f"its three channels have the shape {planes.shape}")
                order = _order_of_luts(tiff) or choice.order
                return np.stack([planes[plane] for plane in order], axis=-1)
            own = tiff.pages[page.index]
            if page.inner >= 0:
                own = own.pages[page.inner]
            samples: NDArray[Any] = own.asarray()
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise MissingPackageError(
                "imagecodecs", "formats", f"a TIFF of {_kind(choice)}"
            ) from None
        raise
    if page.planar and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1)
    if samples.shape[:2] != (page.height, page.width):
        raise damage(f"its pixels have the shape {samples.shape}")
    return samples


def _order_of_luts(tiff: Any) -> tuple[int, ...] | None:
    """Return which plane of an ImageJ file is red, green and blue by its look-up tables."""
    tables = (tiff.imagej_metadata or {}).get("LUTs") if tiff.is_imagej else None
    if tables is None:
        return None
    tops = [np.asarray(table).reshape(3, -1)[:, -1] for table in tables]
    brightest = [int(top.argmax()) if (top > 0).sum() == 1 else -1 for top in tops]
    if sorted(brightest) != [0, 1, 2]:
        raise ImageError("its channels are not shown as red, green and blue")
    return tuple(brightest.index(colour) for colour in range(3))


def _kind(choice: TiffChoice) -> str:
    page = choice.page
    layout = "one channel a page" if choice.order else "planes" if page.planar else "pixels"
    return f"{page.samples} x {page.bits[0]} bits in {layout}, compression {page.compression},"


def _to_picture(
    samples: NDArray[Any], page: TiffPage, stack: bool = False
) -> tuple[Image.Image, tuple[str, ...]]:
    """Return the RGB picture of samples; alpha is blended with white."""
    bits = page.bits[0]
    full = 2**bits - 1
    declared = page.maximum
    if declared is None or declared >= full or declared & (declared + 1):
        declared = None  # the tag says nothing, or it is a statistic of the pixels
    if bits not in (8, 16, 32) or bits == 8:
        declared = full
    if samples.ndim == 2:
        samples = samples[..., np.newaxis]
    colours = 3 if stack or page.photometric == 2 else 4 if page.photometric == 5 else 1
    inverted = page.photometric == 0
    pixels, assumed = to_8_bits(samples[..., :colours], bits, declared, inverted)
    flags = (ASSUMED_RANGE,) if assumed else ()
    if colours == 4:
        return Image.fromarray(pixels, "CMYK").convert("RGB"), flags
    kinds = page.extra_samples or ((2,) if samples.shape[-1] > colours else ())
    if not stack and samples.shape[-1] > colours and kinds[0] in (1, 2):
        alpha = to_8_bits(samples[..., colours], bits, declared)[0][..., np.newaxis]
        pixels = _over_white(pixels, alpha, premultiplied=kinds[0] == 1)
    if colours == 1:
        return Image.fromarray(pixels[..., 0]).convert("RGB"), flags
    return Image.fromarray(np.ascontiguousarray(pixels)), flags


def _over_white(
    pixels: NDArray[np.uint8], alpha: NDArray[np.uint8], premultiplied: bool
) -> NDArray[np.uint8]:
    wide = pixels.astype(np.uint32)
    if not premultiplied:
        wide = (wide * alpha + 127) // 255
    blended: NDArray[np.uint8] = np.minimum(wide + (255 - alpha), 255).astype(np.uint8)
    return blended
