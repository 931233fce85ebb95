"""Decodes an opened image to 8 bits a sample, with the checks of its format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from PIL import Image

from .colour import to_narrow
from .file_flags import DAMAGED, SEVERAL_IMAGES, SHARE_OF_OTHER_PICTURE
from .jpeg import check_jpeg_parts, decode_jpeg
from .lazy_image import LazyImage
from .opening_errors import damage

# The modules of other formats are imported when such a file comes: most files are JPEG.
FROM_CONTENT = ("JPEG", "MPO", "PNG", "PPM", "JPEG2000")  # Pillow alone decodes the others
WITHOUT_CHECKSUM = ("BMP", "DIB", "GIF", "PPM", "TIFF")
_LOSSY = ("jpeg", "tiff_jpeg", "webp")
_PIECE_BYTES = 1 << 20
_TILES, _STRIPS, _JPEG_TABLES, _TILE_WIDTH = (324, 325), (273, 279), 347, 322  # tags


def decode(image: Image.Image, side: int | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode an opened image.

    Parameters
    ----------
    image : PIL.Image.Image
        Not loaded, or loaded by the caller: then only its samples are converted.
    side : int, optional
        A JPEG is decoded at the smallest scale that has at least this many pixels on both sides;
        None is the full scale.

    Returns
    -------
    PIL.Image.Image
        Of 8 bits a sample; not upright unless it is a TIFF. Its ``info`` has the colour profile.
    tuple of str
        Why a person should look at the image.

    Raises
    ------
    ImageError
        If the file is damaged, or its samples have no known range.
    Exception
        Whatever Pillow raises of a damaged file.
    """
    if isinstance(image, LazyImage):
        image.load()
        return image, image.flags
    if not getattr(image, "tile", None) and image.format != "WEBP":  # that has tiles never
        return to_narrow(image)
    if image.format in ("JPEG", "MPO"):
        several = (SEVERAL_IMAGES,) if image.format == "MPO" and _holds_another(image) else ()
        decoded, more = decode_jpeg(content_of(image), side)
        return decoded, several + more
    flags: tuple[str, ...] = (SEVERAL_IMAGES,) if _is_animated(image) else ()
    if image.format == "PNG":
        from .png import decode_png

        decoded, more = decode_png(content_of(image))
        return decoded, flags + more
    if image.format == "JPEG2000":
        from .jpeg2000 import decode_jpeg_2000

        return decode_jpeg_2000(image, content_of(image))
    wide, tile_width = None, 0
    if image.format == "PPM":
        from .pnm import check_pnm, decode_wide_pnm

        content = content_of(image)
        flags, wide = check_pnm(content), decode_wide_pnm(content)
    if wide is None:
        tile_width = _check_tiff(image) if image.format == "TIFF" else 0
        image.load()
        wide = to_narrow(image)
    decoded, more = wide
    lossy = image.info.get("compression") in _LOSSY
    if image.format in WITHOUT_CHECKSUM and not lossy:
        from .overwritten import is_overwritten

        more += (DAMAGED,) if is_overwritten(decoded, tile_width) else ()
    return decoded, flags + more


def content_of(image: Image.Image) -> bytes:
    """Return the bytes of an image's file; none where the image has no file.

    Parameters
    ----------
    image : PIL.Image.Image
        The position of its file is not changed.

    Returns
    -------
    bytes
    """
    stream = getattr(image, "fp", None)
    if stream is None:
        return b""
    if isinstance(stream, io.BytesIO):
        return stream.getvalue()
    position = stream.tell()
    stream.seek(0)
    content: bytes = stream.read()
    stream.seek(position)
    return content


def _check_tiff(image: Any) -> int:
    """Check the compressed parts of an opened TIFF; return the width of its tiles, or 0.

    libtiff conceals damage of a JPEG, and does not compare the checksum of a deflated part.
    """
    compression = image.info.get("compression")
    if compression == "jpeg":
        check_jpeg_parts(_parts(image), bytes(image.tag_v2.get(_JPEG_TABLES, b"")))
    elif compression in ("tiff_adobe_deflate", "tiff_deflate"):
        for part in _parts(image):
            _check_deflated(part)
    width = image.tag_v2.get(_TILE_WIDTH, 0)
    return width if isinstance(width, int) else 0


def _check_deflated(part: bytes) -> None:
    """Inflate a part of a TIFF in pieces, because a small one may inflate to gigabytes."""
    import zlib

    inflate, given = zlib.decompressobj(), part
    try:
        while not inflate.eof:
            piece = inflate.decompress(given, _PIECE_BYTES)
            given = inflate.unconsumed_tail
            if not piece and not given:
                break
    except zlib.error:
        raise damage("a part does not have its checksum") from None
    if part and not inflate.eof:
        raise damage("a part is cut")


def _parts(image: Any) -> Iterator[bytes]:
    """Yield the stored strips or tiles of an opened TIFF."""
    offsets, sizes = _TILES if _TILES[0] in image.tag_v2 else _STRIPS
    position = image.fp.tell()
    for offset, size in zip(image.tag_v2[offsets], image.tag_v2[sizes], strict=False):
        image.fp.seek(offset)
        yield image.fp.read(size)
    image.fp.seek(position)


def _holds_another(image: Image.Image) -> bool:
    """Return whether a JPEG file of several pictures (MPO) has another of about its size."""
    first, sizes = image.size, []
    try:
        for number in range(1, getattr(image, "n_frames", 1)):
            image.seek(number)
            sizes.append(image.size)
        image.seek(0)
    except Exception:  # another picture is damaged; the first may be intact
        return True
    return any(w * h > SHARE_OF_OTHER_PICTURE * first[0] * first[1] for w, h in sizes)


def _is_animated(image: Image.Image) -> bool:
    if image.format == "TIFF":  # the pages were counted on opening
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # the second frame is damaged; the first may be intact
        return False
