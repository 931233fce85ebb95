"""Writes an image file of every kind that a laboratory has, with known true pixels.

Each case says what alledge must do with the file: return the true pixels, with certain flags, or
refuse it with a reason. Nothing is committed; the files are written by the test.
"""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageChops, ImageCms

WIDTH, HEIGHT = 96, 64
# Colorants of ICC profiles, adapted to D50: red, green and blue in XYZ.
PROPHOTO = ((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249))
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
Content = Callable[[], bytes]


def picture(seed: int = 0) -> np.ndarray:
    """Return the true pixels, (HEIGHT, WIDTH, 3) of uint8: smooth and bright."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [
        200 + 40 * np.sin(x / (9 + 2 * channel + seed) + channel) * np.cos(y / (7 + channel))
        for channel in range(3)
    ]
    pixels = np.stack(waves, axis=-1)
    pixels[20:40, 30:60] -= (70, 110, 30)  # a stained cell
    pixels[0, 0] = 255  # so that the range of the samples is used
    return pixels.round().clip(0, 255).astype(np.uint8)


RGB = picture()
GREY = RGB[..., 1]
ALPHA = np.linspace(0, 255, WIDTH).astype(np.uint8)[np.newaxis].repeat(HEIGHT, axis=0)


@dataclass(frozen=True)
class ImageCase:
    """A file and what alledge must answer.

    Parameters
    ----------
    name : str
        Also the name of the file, with its suffix.
    content : callable
        Returns the bytes of the file.
    truth : (H, W, 3) ndarray of uint8 or None
        The true pixels; None if the file must be refused.
    flags : tuple of str
    tolerance : int
        Largest error of a pixel.
    refusal : str
        Regular expression of the reason.
    """

    name: str
    content: Content
    truth: np.ndarray | None = None
    flags: tuple[str, ...] = ()
    tolerance: int = 0
    refusal: str = ""

    def write(self, folder: Path) -> Path:
        """Write the file and return its path."""
        path = folder / self.name
        path.write_bytes(self.content())
        return path


def grey_rgb(grey: np.ndarray) -> np.ndarray:
    """Return grey values as RGB."""
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


def deep(pixels: np.ndarray, bits: int, dtype: Any = np.uint16) -> np.ndarray:
    """Return 8-bit pixels as samples of more bits, of which `pixels` is the rounded picture."""
    full = 2**bits - 1
    return ((pixels.astype(np.uint64) * full + 127) // 255).astype(dtype)


def over_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return pixels blended with white."""
    share = alpha[..., np.newaxis].astype(float) / 255
    return (pixels * share + 255 * (1 - share)).round().astype(np.uint8)


def tiff(pixels: np.ndarray, **options: Any) -> Content:
    """Return a writer of a TIFF file by tifffile."""

    def content() -> bytes:
        file = io.BytesIO()
        tifffile.imwrite(file, pixels, **{"metadata": None, **options})
        return file.getvalue()

    return content


def pages(*written: tuple[np.ndarray, dict[str, Any]]) -> Content:
    """Return a writer of a TIFF file of several pages."""

    def content() -> bytes:
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as writer:
            for pixels, options in written:
                writer.write(pixels, metadata=None, **options)
        return file.getvalue()

    return content


def pillow(pixels: np.ndarray | Image.Image, form: str, **options: Any) -> Content:
    """Return a writer of a file by Pillow."""

    def content() -> bytes:
        file = io.BytesIO()
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        image.save(file, form, **options)
        return file.getvalue()

    return content


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels: np.ndarray, *chunks: bytes) -> Content:
    """Return a writer of a PNG, with chunks behind its header."""

    def content() -> bytes:
        written = bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))
        return written[:33] + b"".join(chunks) + written[33:]

    return content


def interlaced_png(pixels: np.ndarray) -> Content:
    """Return a writer of an interlaced PNG of RGB samples, of 8 or 16 bits.

    References
    ----------
    W3C PNG specification, section 8.2 (Adam7).
    """
    passes = (
        (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
        (1, 0, 2, 1),
    )  # fmt: skip
    samples = pixels.astype(">u2") if pixels.dtype == np.uint16 else pixels
    rows = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, right in passes
        for row in samples[top::down, left::right]
    )
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8 * samples.itemsize, 2, 0, 0, 1)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return lambda: b"\x89PNG\r\n\x1a\n" + chunks


def pnm(kind: str, samples: np.ndarray, maxval: int) -> Content:
    """Return a writer of a PGM or PPM file."""
    header = f"{kind}\n# written by a test\n{samples.shape[1]} {samples.shape[0]}\n{maxval}\n"
    if kind in ("P2", "P3"):
        body = "\n".join(str(value) for value in samples.ravel()).encode()
    else:
        body = samples.astype(">u2" if maxval > 255 else np.uint8).tobytes()
    return lambda: header.encode() + body


def jpeg_cmyk(inverted: bool, marker: bool) -> bytes:
    """Return a JPEG of CMYK values, stored as ink or inverted, with Adobe's marker or without."""
    ink = Image.fromarray(RGB).convert("CMYK")
    file = io.BytesIO()
    # Pillow inverts the values on saving, and writes the marker
    (ink if inverted else ImageChops.invert(ink)).save(file, "JPEG", quality=98, subsampling=0)
    content = file.getvalue()
    start = content.index(b"\xff\xee")
    assert content[start + 4 : start + 9] == b"Adobe"
    length = struct.unpack_from(">H", content, start + 2)[0]
    return content if marker else content[:start] + content[start + 2 + length :]


def without_jfif(content: bytes) -> bytes:
    """Return a JPEG without its JFIF marker."""
    length = struct.unpack_from(">H", content, 4)[0]
    assert content[6:10] == b"JFIF"
    return content[:2] + content[4 + length :]


def adobe_rgb_profile() -> bytes:
    """Return an ICC profile of other colorants and another curve than sRGB's."""
    return matrix_profile(
        ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)), 563 / 256
    )


def matrix_profile(colorants: tuple[tuple[float, ...], ...], gamma: float) -> bytes:
    """Return a display profile of colorants (adapted to D50) and a gamma."""
    tags = {}
    for name, colorant in zip((b"r", b"g", b"b"), colorants, strict=True):
        tags[name + b"XYZ"] = b"XYZ " + bytes(4) + fixed(colorant)
        tags[name + b"TRC"] = curve(gamma)
    return icc_profile(b"mntrRGB XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    """Return a profile of grey values of a gamma."""
    return icc_profile(b"mntrGRAYXYZ ", {b"kTRC": curve(gamma)})


def ink_profile() -> bytes:
    """Return a profile of CMYK inks: a table of the CIELab colours of the 16 full inks.

    References
    ----------
    ICC.1:2010, section 10.9 (lut8Type).
    """
    corners = []
    for inks in itertools.product((0, 1), repeat=4):
        light = 1 - 0.25 * sum(inks[:3]) - 0.2 * inks[3]
        a, b = 20 * (inks[1] - inks[0]), 20 * (inks[2] - inks[0])
        corners += [round(255 * light), 128 + a, 128 + b]
    unity = fixed((1, 0, 0, 0, 1, 0, 0, 0, 1))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + unity
    table += bytes(range(256)) * 4 + bytes(corners) + bytes(range(256)) * 3
    return icc_profile(b"prtrCMYKLab ", {b"A2B0": table, b"A2B1": table})


def fixed(values: tuple[float, ...]) -> bytes:
    """Return numbers as an ICC profile stores them."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def curve(gamma: float) -> bytes:
    """Return the curve of a gamma in an ICC profile."""
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def icc_profile(kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return an ICC profile of a class, a colour space and a connection space.

    References
    ----------
    ICC.1:2010, sections 7.2 (header) and 9.2 (tags).
    """
    white = fixed((0.9642, 1.0, 0.8249))
    tags = {
        **tags,
        b"wtpt": b"XYZ " + bytes(4) + white,
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(79),
        b"cprt": b"text" + bytes(4) + b"none\0" + bytes(3),
    }
    table, body, offset = b"", b"", 132 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = bytearray(128)
    struct.pack_into(">I", header, 0, offset + len(body))
    header[8:12] = b"\x02\x10\0\0"
    header[12:24] = kind
    header[36:40] = b"acsp"
    header[68:80] = white
    return bytes(header) + struct.pack(">I", len(tags)) + table + body


def converted(profile: bytes, image: Image.Image | None = None) -> np.ndarray:
    """Return the true pixels of an image in the colour space of a profile, by littlecms."""
    image = ImageCms.profileToProfile(
        image or Image.fromarray(RGB),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert image is not None
    return np.asarray(image)


def png_cases() -> Iterator[ImageCase]:
    """Yield PNG files of every colour type and depth."""
    yield ImageCase("rgb8.png", png(RGB), RGB)
    yield ImageCase("grey8.png", png(GREY), grey_rgb(GREY))
    rgba = np.dstack((RGB, ALPHA))
    yield ImageCase("rgba8.png", png(rgba), over_white(RGB, ALPHA), tolerance=1)
    grey_alpha = np.dstack((GREY, ALPHA))
    blended = grey_rgb(over_white(GREY[..., np.newaxis], ALPHA)[..., 0])
    yield ImageCase("grey8-alpha.png", png(grey_alpha), blended, tolerance=1)
    yield ImageCase("rgba16.png", png(deep(rgba, 16)), over_white(RGB, ALPHA), tolerance=1)
    yield ImageCase("grey16-alpha.png", png(deep(grey_alpha, 16)), blended, tolerance=1)
    yield ImageCase("interlaced8.png", interlaced_png(RGB), RGB)
    flags = ("assumed_range",)
    yield ImageCase("interlaced12in16.png", interlaced_png(deep(RGB, 12)), RGB, flags)
    palette = Image.fromarray(RGB).quantize(200)
    yield ImageCase("palette.png", pillow(palette, "PNG"), np.asarray(palette.convert("RGB")))
    for bits in (10, 12, 14, 16):
        flags = ("assumed_range",) if bits < 16 else ()
        yield ImageCase(f"grey{bits}in16.png", png(deep(GREY, bits)), grey_rgb(GREY), flags)
        yield ImageCase(f"rgb{bits}in16.png", png(deep(RGB, bits)), RGB, flags)
    declared = chunk(b"sBIT", bytes([12, 12, 12]))
    yield ImageCase("rgb12in16-declared.png", png(deep(RGB, 12), declared), RGB)
    declared = chunk(b"sBIT", bytes([12]))
    yield ImageCase("grey12in16-declared.png", png(deep(GREY, 12), declared), grey_rgb(GREY))
    light = (RGB / 255.0) ** 2.2
    linear = (light * 65535).round().astype(np.uint16)
    usual = chunk(b"gAMA", struct.pack(">I", 45455))
    yield ImageCase("gamma-usual.png", png(RGB, usual), RGB)
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    yield ImageCase("gamma-linear.png", png(linear, gamma), RGB, tolerance=6)
    flags = ("assumed_colour",)
    for value in (0, 1, 2**31 - 1):
        impossible = chunk(b"gAMA", struct.pack(">I", value))
        yield ImageCase(f"gamma-{value}.png", png(RGB, impossible), RGB, flags)
    for name, codes in (("display-p3", [12, 13, 0, 1]), ("narrow-range", [1, 13, 0, 0])):
        yield ImageCase(f"cicp-{name}.png", png(RGB, chunk(b"cICP", bytes(codes))), RGB, flags)
    yield ImageCase("cicp-srgb.png", png(RGB, chunk(b"cICP", bytes([1, 13, 0, 1]))), RGB)
    profile = chunk(b"iCCP", b"name\0\0not deflated")
    yield ImageCase("unreadable-profile.png", png(RGB, profile), RGB, flags)


def pnm_cases() -> Iterator[ImageCase]:
    """Yield PGM and PPM files."""
    yield ImageCase("rgb8.ppm", pnm("P6", RGB, 255), RGB)
    yield ImageCase("grey8.pgm", pnm("P5", GREY, 255), grey_rgb(GREY))
    for bits in (10, 12, 14, 16):
        full = 2**bits - 1
        yield ImageCase(f"rgb-max{full}.ppm", pnm("P6", deep(RGB, bits), full), RGB)
        yield ImageCase(f"grey-max{full}.pgm", pnm("P5", deep(GREY, bits), full), grey_rgb(GREY))
    yield ImageCase("plain-max1023.ppm", pnm("P3", deep(RGB, 10), 1023), RGB)
    flags = ("assumed_range",)
    yield ImageCase("rgb12in16.ppm", pnm("P6", deep(RGB, 12), 65535), RGB, flags)
    yield ImageCase("grey12in16.pgm", pnm("P5", deep(GREY, 12), 65535), grey_rgb(GREY), flags)
    yield ImageCase("above-maxval.ppm", pnm("P6", RGB, 200), refusal="values up to 200, and has")
    one = pnm("P6", RGB, 255)
    yield ImageCase("two-pictures.ppm", lambda: one() * 2, RGB, ("several_images",))
    yield ImageCase("more-behind.ppm", lambda: one() + b"other", RGB, ("damaged",))


def jpeg_2000_cases() -> Iterator[ImageCase]:
    """Yield JPEG 2000 files of 8 to 16 bits."""

    def written(pixels: np.ndarray, **options: Any) -> Content:
        return lambda: bytes(imagecodecs.jpeg2k_encode(pixels, level=0, **options))

    for form in ("j2k", "jp2"):
        yield ImageCase(f"rgb8.{form}", written(RGB, codecformat=form), RGB)
        for bits in (12, 16):
            flags = ("assumed_range",) if bits < 16 else ()
            rgb, grey = deep(RGB, bits), deep(GREY, bits)
            yield ImageCase(f"rgb{bits}in16.{form}", written(rgb, codecformat=form), RGB, flags)
            yield ImageCase(
                f"grey{bits}in16.{form}", written(grey, codecformat=form), grey_rgb(GREY), flags
            )
    dark = deep(RGB // 4, 12)
    declared = written(dark, codecformat="jp2", bitspersample=12)
    yield ImageCase("rgb12-declared.jp2", declared, RGB // 4)
    signed = written(GREY.astype(np.int16) - 100, codecformat="jp2")
    yield ImageCase("grey-signed.jp2", signed, refusal="its samples have a sign")
    yield ImageCase("lab.jp2", lambda: _with_colours(written(RGB, codecformat="jp2")(), 14),
                    refusal="CIELab")  # fmt: skip


def _with_colours(content: bytes, colour_space: int) -> bytes:
    """Return a JP2 file with another enumerated colour space."""
    start = content.index(b"colr\1") + 7
    return content[:start] + struct.pack(">I", colour_space) + content[start + 4 :]


def tiff_layouts() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield compression, predictor, planes, byte order, tiles and BigTIFF of a TIFF."""
    yield from (
        (
            f"{compression or 'raw'}{'-predictor' * predictor}-{planar}-{order}"
            f"{'-tiles' * bool(tile)}{'-big' * big}",
            {
                "compression": compression,
                "predictor": predictor,
                "planarconfig": planar,
                "byteorder": {"le": "<", "be": ">"}[order],
                "tile": tile,
                "bigtiff": big,
            },
        )
        for compression, predictor, planar, order, tile, big in itertools.product(
            (None, "lzw", "zlib", "packbits", "zstd"),
            (False, True),
            ("contig", "separate"),
            ("le", "be"),
            (None, (32, 32)),
            (False, True),
        )
        if not (predictor and compression in (None, "packbits"))
        and not (big and compression not in (None, "lzw"))
    )


def tiff_layout_cases() -> Iterator[ImageCase]:
    """Yield RGB TIFF files of 8, 12 and 16 bits in every layout."""
    for name, options in tiff_layouts():
        rgb = options["planarconfig"] == "contig"
        options = {"photometric": "rgb", **options}
        for bits, flags in ((8, ()), (12, ("assumed_range",)), (16, ())):
            samples = RGB if bits == 8 else deep(RGB, bits)
            samples = samples if rgb else np.moveaxis(samples, -1, 0)
            yield ImageCase(f"rgb{bits}-{name}.tif", tiff(samples, **options), RGB, flags)


def tiff_cases() -> Iterator[ImageCase]:
    """Yield TIFF files of other samples and colour spaces."""
    assumed = ("assumed_range",)
    grey = grey_rgb(GREY)
    zero, one = {"photometric": "miniswhite"}, {"photometric": "minisblack"}
    yield ImageCase("grey8.tif", tiff(GREY, **one), grey)
    yield ImageCase("white-is-zero8.tif", tiff(255 - GREY, **zero), grey)
    for order in "<>":
        name = {"<": "le", ">": "be"}[order]
        for bits in (10, 12, 16):
            flags = assumed if bits < 16 else ()
            samples = deep(GREY, bits)
            yield ImageCase(
                f"grey{bits}in16-{name}.tif", tiff(samples, byteorder=order, **one), grey, flags
            )
        inverse = 65535 - deep(GREY, 16)
        inverse[1, 1] = 65535
        truth = grey.copy()
        truth[1, 1] = 0
        yield ImageCase(
            f"white-is-zero16-{name}.tif", tiff(inverse, byteorder=order, **zero), truth
        )
        signed = deep(GREY, 12, np.int16)
        yield ImageCase(f"signed16-{name}.tif", tiff(signed, byteorder=order, **one), grey, assumed)
        for bits in (12, 16, 32):
            yield ImageCase(
                f"grey{bits}in32-{name}.tif",
                tiff(deep(GREY, bits, np.uint32), byteorder=order, **one),
                grey,
                assumed if bits < 32 else (),
            )
    negative = deep(GREY, 12, np.int16) - 3000
    yield ImageCase("negative16.tif", tiff(negative, **one), refusal="no known range")
    yield ImageCase("negative8.tif", tiff(GREY.astype(np.int8), **one), refusal="no known range")
    yield ImageCase(
        "grey20in32.tif", tiff(deep(GREY, 20, np.uint32), **one), refusal="no known range"
    )
    yield ImageCase("float.tif", tiff(GREY.astype(np.float32), **one), refusal="floating-point")
    yield ImageCase(
        "double.tif", tiff(RGB.astype(np.float64), photometric="rgb"), refusal="floating-point"
    )
    packed = {"bitspersample": 12, "compression": None}
    yield ImageCase("packed12.tif", tiff(deep(GREY, 12), **one, **packed), grey)
    tags = [(281, "H", 1, 4095, True)]
    yield ImageCase("declared12in16.tif", tiff(deep(GREY, 12), extratags=tags, **one), grey)
    tags = [(281, "H", 3, (4095,) * 3, True)]
    yield ImageCase(
        "declared-rgb12in16.tif", tiff(deep(RGB, 12), photometric="rgb", extratags=tags), RGB
    )
    rgba = np.dstack((RGB, ALPHA))
    blended = over_white(RGB, ALPHA)
    premultiplied = np.dstack(
        ((RGB * (ALPHA[..., np.newaxis] / 255)).round().astype(np.uint8), ALPHA)
    )
    for bits in (8, 16):
        for planar in ("contig", "separate"):
            for kind, pixels, truth, tolerance in (
                ("unassalpha", rgba, blended, 1),
                ("assocalpha", premultiplied, blended, 3),
                ("unspecified", rgba, RGB, 0),
            ):
                samples = deep(pixels, bits) if bits == 16 else pixels
                samples = samples if planar == "contig" else np.moveaxis(samples, -1, 0)
                yield ImageCase(
                    f"rgb{bits}-{kind}-{planar}.tif",
                    tiff(samples, photometric="rgb", extrasamples=[kind], planarconfig=planar),
                    truth,
                    tolerance=tolerance,
                )
    for bits in (8, 16):
        samples = np.dstack((GREY, ALPHA))
        yield ImageCase(
            f"grey{bits}-alpha.tif",
            tiff(
                deep(samples, bits) if bits == 16 else samples,
                planarconfig="contig",
                extrasamples=["unassalpha"],
                **one,
            ),
            grey_rgb(over_white(GREY[..., np.newaxis], ALPHA)[..., 0]),
            tolerance=1,
        )
    palette = Image.fromarray(RGB).quantize(200)
    yield ImageCase("palette.tif", pillow(palette, "TIFF"), np.asarray(palette.convert("RGB")))
    colours = np.random.default_rng(0).integers(0, 65536, (3, 65536)).astype(np.uint16)
    yield ImageCase(
        "palette16.tif",
        tiff(deep(GREY, 16), photometric="palette", colormap=colours),
        refusal="palette",
    )
    black = Image.fromarray(GREY).point(lambda value: 255 * (value > 190)).convert("1")
    yield ImageCase("bilevel.tif", pillow(black, "TIFF"), np.asarray(black.convert("RGB")))
    fax = pillow(black, "TIFF", compression="group4")
    yield ImageCase("fax.tif", fax, np.asarray(black.convert("RGB")))
    ink = Image.fromarray(RGB).convert("CMYK")
    yield ImageCase("cmyk8.tif", pillow(ink, "TIFF"), RGB)
    yield ImageCase(
        "cmyk16.tif", tiff(deep(np.asarray(ink), 16), photometric="separated"), RGB, tolerance=1
    )
    for codec in ("jpeg", "jpeg2000", "webp"):
        for tile in (None, (32, 32)):
            yield ImageCase(
                f"rgb8-{codec}{'-tiles' * bool(tile)}.tif",
                tiff(
                    RGB,
                    photometric="rgb",
                    compression=codec,
                    compressionargs={"level": 95},
                    tile=tile,
                ),
                RGB,
                tolerance=40,
            )
    yield ImageCase(
        "ycbcr-jpeg.tif", pillow(RGB, "TIFF", compression="jpeg", quality=98), RGB, tolerance=40
    )
    yield ImageCase(
        "rgb16-jpeg2000.tif",
        tiff(
            deep(RGB, 16), photometric="rgb", compression="jpeg2000", compressionargs={"level": 0}
        ),
        RGB,
        tolerance=1,
    )
    yield ImageCase("lab.tif", pillow(Image.fromarray(RGB, mode="LAB"), "TIFF"), refusal="CIELab")
    yield ImageCase("raw-sensor.tif", tiff(deep(GREY, 12), photometric="cfa"), refusal="sensor")
    yield ImageCase(
        "spectral.tif",
        tiff(np.dstack([GREY] * 5), planarconfig="contig", **one),
        refusal="5 channels",
    )


def reversed_bits(pixels: np.ndarray, **options: Any) -> Content:
    """Return a writer of a raw TIFF whose bytes begin with the lowest bit (tag FillOrder)."""
    bits = np.unpackbits(np.ascontiguousarray(pixels).view(np.uint8), bitorder="little")
    written = tiff(np.packbits(bits).view(pixels.dtype).reshape(pixels.shape), **options)

    def content() -> bytes:
        file = bytearray(written())
        resolution_unit = struct.pack("<HHI", 296, 3, 1)
        fill_order = struct.pack("<HHI", 266, 3, 1)
        at = file.index(resolution_unit)
        file[at : at + 12] = fill_order + struct.pack("<I", 2)
        return bytes(file)

    return content


def reversed_bits_cases() -> Iterator[ImageCase]:
    """Yield TIFF files with FillOrder 2."""
    planes = np.moveaxis(RGB, -1, 0)
    for bits in (8, 16):
        rgb, grey, separate = (
            pixels if bits == 8 else deep(pixels, bits) for pixels in (RGB, GREY, planes)
        )
        yield ImageCase(f"reversed-rgb{bits}.tif", reversed_bits(rgb, photometric="rgb"), RGB)
        yield ImageCase(f"reversed-grey{bits}.tif", reversed_bits(grey), grey_rgb(GREY))
        yield ImageCase(
            f"reversed-planes{bits}.tif",
            reversed_bits(separate, photometric="rgb", planarconfig="separate"),
            RGB,
        )


def tiff_page_cases() -> Iterator[ImageCase]:
    """Yield TIFF files of several pages."""
    small = {"photometric": "rgb"}
    thumbnail = np.full((16, 24, 3), 90, np.uint8)
    yield ImageCase("thumbnail-first.tif", pages((thumbnail, small), (RGB, small)), RGB)
    reduced = {**small, "subfiletype": 1}
    yield ImageCase("reduced-first.tif", pages((RGB[::-1] // 2, reduced), (RGB, small)), RGB)
    deep_rgb = deep(RGB, 16)
    yield ImageCase(
        "thumbnail-first16.tif",
        pages(
            (thumbnail, small),
            (np.moveaxis(deep_rgb, -1, 0), {**small, "planarconfig": "separate"}),
        ),
        RGB,
    )
    yield ImageCase("pyramid.tif", pages((RGB, small), (RGB[::2, ::2], reduced)), RGB)
    label = np.full((30, 30, 3), 40, np.uint8)
    slide = (RGB, {**small, "tile": (32, 32), "description": "Aperio Image Library v10.0.51\n"})
    yield ImageCase("slide.svs", pages(slide, (thumbnail, small), (label, reduced)), RGB)
    yield ImageCase(
        "two-pictures.tif", pages((RGB, small), (RGB[::-1], small)), RGB, ("several_images",)
    )
    one = {"photometric": "minisblack"}
    grey_pages = [(plane, one) for plane in np.moveaxis(RGB, -1, 0)]
    yield ImageCase("three-grey-pages.tif", pages(*grey_pages), refusal="3 grey pictures")
    yield ImageCase("focus-stack.tif", pages(*grey_pages * 4), refusal="12 grey pictures")
    planes = np.moveaxis(RGB, -1, 0)
    for bits in (8, 12, 16):
        samples = planes if bits == 8 else deep(planes, bits)
        flags = ("assumed_range",) if bits == 12 else ()
        for names, order in (
            (("Red", "Green", "Blue"), [0, 1, 2]),
            (("blue", "green", "red"), [2, 1, 0]),
        ):
            metadata = {"axes": "CYX", "Channel": {"Name": list(names)}}
            yield ImageCase(
                f"ome-{names[0]}-{bits}.ome.tif",
                tiff(samples[order], ome=True, photometric="minisblack", metadata=metadata),
                RGB,
                flags,
            )
        yield ImageCase(
            f"imagej-composite-{bits}.tif",
            tiff(samples, imagej=True, metadata={"axes": "CYX", "mode": "composite"}),
            RGB,
            flags,
        )
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "FITC", "Cy5"]}}
    yield ImageCase(
        "ome-fluorescence.ome.tif",
        tiff(planes, ome=True, photometric="minisblack", metadata=metadata),
        refusal="3 grey pictures",
    )
    yield ImageCase(
        "imagej-grey.tif",
        tiff(planes, imagej=True, metadata={"axes": "CYX", "mode": "grayscale"}),
        refusal="3 grey pictures",
    )
    yield ImageCase(
        "imagej-focus.tif",
        tiff(planes, imagej=True, metadata={"axes": "ZYX"}),
        refusal="3 grey pictures",
    )
    yield ImageCase("imagej-rgb.tif", tiff(RGB, imagej=True, metadata={"axes": "YXS"}), RGB)
    yield ImageCase(
        "ome-rgb.ome.tif", tiff(RGB, ome=True, photometric="rgb", metadata={"axes": "YXS"}), RGB
    )


def jpeg_cases() -> Iterator[ImageCase]:
    """Yield JPEG files; lossy, so that a pixel may be some levels off."""
    options: dict[str, Any] = {"quality": 98, "subsampling": 0}
    plain = pillow(RGB, "JPEG", **options)
    yield ImageCase("rgb.jpg", plain, RGB, tolerance=12)
    yield ImageCase("grey.jpg", pillow(GREY, "JPEG", **options), grey_rgb(GREY), tolerance=12)
    for name, more in (
        ("progressive", {"progressive": True}),
        ("optimized", {"optimize": True}),
        ("restarts", {"restart_marker_blocks": 3}),
    ):
        yield ImageCase(f"{name}.jpg", pillow(RGB, "JPEG", **options, **more), RGB, tolerance=12)
        yield ImageCase(
            f"{name}-without-end.jpg",
            lambda more=more: pillow(RGB, "JPEG", **options, **more)()[:-2],
            RGB,
            tolerance=12,
        )
    yield ImageCase("without-end.jpg", lambda: plain()[:-2], RGB, tolerance=12)
    yield ImageCase("without-jfif.jpg", lambda: without_jfif(plain()), RGB, tolerance=12)
    yield ImageCase("more-behind.jpg", lambda: plain() + bytes(5000), RGB, tolerance=12)
    yield ImageCase(
        "rgb-transform0.jpg", pillow(RGB, "JPEG", keep_rgb=True, **options), RGB, tolerance=12
    )
    yield ImageCase(
        "two-pictures.jpg",
        pillow(RGB, "MPO", save_all=True, append_images=[Image.fromarray(RGB[::-1])], **options),
        RGB,
        ("several_images",),
        tolerance=12,
    )
    thumbnail = Image.fromarray(RGB).resize((WIDTH // 4, HEIGHT // 4))
    yield ImageCase(
        "with-thumbnail.jpg",
        pillow(RGB, "MPO", save_all=True, append_images=[thumbnail], **options),
        RGB,
        tolerance=12,
    )
    stored = 255 - np.asarray(Image.fromarray(RGB).convert("CMYK"))
    yield ImageCase(
        "ycck.jpg",
        lambda: bytes(
            imagecodecs.jpeg8_encode(
                stored, level=98, colorspace="CMYK", outcolorspace="YCCK", subsampling="444"
            )
        ),
        RGB,
        tolerance=30,
    )
    contradiction = ("assumed_colour",)
    for inverted, marker in itertools.product((True, False), (True, False)):
        yield ImageCase(
            f"cmyk-{'inverted' if inverted else 'ink'}-{'adobe' if marker else 'no-marker'}.jpg",
            lambda inverted=inverted, marker=marker: jpeg_cmyk(inverted, marker),
            RGB,
            () if inverted == marker else contradiction,
            tolerance=14,
        )


def colour_cases() -> Iterator[ImageCase]:
    """Yield files with an embedded profile."""
    profile = adobe_rgb_profile()
    truth = converted(profile)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for form, suffix in (("PNG", "png"), ("TIFF", "tif")):
        yield ImageCase(f"adobe-rgb.{suffix}", pillow(RGB, form, icc_profile=profile), truth)
        yield ImageCase(f"srgb.{suffix}", pillow(RGB, form, icc_profile=srgb), RGB)
        yield ImageCase(
            f"damaged-profile.{suffix}",
            pillow(RGB, form, icc_profile=profile[:150]),
            RGB,
            ("assumed_colour",),
        )
    options: dict[str, Any] = {"quality": 98, "subsampling": 0, "icc_profile": profile}
    yield ImageCase("adobe-rgb.jpg", pillow(RGB, "JPEG", **options), truth, tolerance=14)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    options = {"quality": 98, "subsampling": 0, "exif": exif}
    yield ImageCase("adobe-rgb-exif.jpg", pillow(RGB, "JPEG", **options), truth, tolerance=14)
    for name, colorants, gamma in (
        ("prophoto", PROPHOTO, 1.8),
        ("display-p3", DISPLAY_P3, 2.2),
    ):
        other = matrix_profile(colorants, gamma)
        yield ImageCase(f"{name}.png", pillow(RGB, "PNG", icc_profile=other), converted(other))
    linear = grey_profile(1.0)
    grey = converted(linear, Image.fromarray(GREY))
    yield ImageCase("profile-grey.png", pillow(GREY, "PNG", icc_profile=linear), grey)
    yield ImageCase("profile-grey.tif", pillow(GREY, "TIFF", icc_profile=linear), grey)
    flags = ("assumed_colour",)
    yield ImageCase("grey-profile-of-rgb.png", pillow(RGB, "PNG", icc_profile=linear), RGB, flags)
    inks = Image.fromarray(RGB).convert("CMYK")
    print_profile = ink_profile()
    truth_of_inks = converted(print_profile, inks)
    yield ImageCase(
        "profile-cmyk.tif", pillow(inks, "TIFF", icc_profile=print_profile), truth_of_inks
    )
    options = {"quality": 98, "subsampling": 0, "icc_profile": print_profile}
    yield ImageCase("profile-cmyk.jpg", pillow(inks, "JPEG", **options), truth_of_inks, tolerance=9)
    deep_rgb = tiff(
        np.moveaxis(deep(RGB, 16), -1, 0),
        photometric="rgb",
        iccprofile=profile,
        planarconfig="separate",
    )
    yield ImageCase("adobe-rgb16.tif", deep_rgb, truth)


def all_cases() -> list[ImageCase]:
    """Return every case."""
    return [
        *png_cases(), *pnm_cases(), *tiff_layout_cases(), *tiff_cases(), *reversed_bits_cases(),
        *tiff_page_cases(),
        *jpeg_cases(), *jpeg_2000_cases(), *colour_cases(),
    ]  # fmt: skip
