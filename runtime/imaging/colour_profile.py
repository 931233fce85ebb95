"""Converts pixels of a declared colour space to sRGB, by one rule for training and device.

The rule, in this order: the embedded ICC profile, relative colorimetric; the chunks sRGB, gAMA and
cHRM of a PNG; the EXIF interoperability index of Adobe RGB. Pixels without any of these are sRGB.
Only the square that the model sees is converted. Pillow's ImageCms (littlecms) is imported only
for a profile that is not sRGB.
"""

from __future__ import annotations

import functools
import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from .file_flags import ASSUMED_COLOUR

# Colorants of sRGB in an ICC profile (rows red, green, blue; adapted to D50), IEC 61966-2-1.
_SRGB_COLORANTS = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
_COLORANT_TOLERANCE, _CURVE_TOLERANCE = 0.006, 0.008
_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
# x and y of white, red, green and blue
_SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_ADOBE_RGB = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
_ADOBE_GAMMA = 563 / 256
_SRGB_GAMMA = 1 / 0.45455
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)

Floats = NDArray[np.float64]


def profile_mode(image: Image.Image) -> str | None:
    """Return the mode that an image's profile needs, or None if it needs no conversion.

    Parameters
    ----------
    image : PIL.Image.Image
        Its ``info`` has the profile.

    Returns
    -------
    {"RGB", "L", "CMYK", "unknown"} or None
    """
    profile = image.info.get("icc_profile")
    if not profile or is_srgb(profile):
        return None
    return _MODES.get(bytes(profile[16:20]), "unknown")


def to_srgb(image: Image.Image, source: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert the pixels of an opaque image to sRGB.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB, or the mode of `profile_mode`; usually reduced.
    source : PIL.Image.Image
        The image of the file, whose ``info`` and EXIF data declare the colour space.

    Returns
    -------
    PIL.Image.Image
        RGB.
    tuple of str
        ``assumed_colour`` if the profile is damaged, does not fit the pixels or cannot be applied
        on this machine: the pixels are then taken for sRGB.
    """
    mode = profile_mode(source)
    if mode is not None:
        if mode != image.mode:
            return image.convert("RGB"), (ASSUMED_COLOUR,)
        converted = _convert(image, bytes(source.info["icc_profile"]))
        return (image.convert("RGB"), (ASSUMED_COLOUR,)) if converted is None else (converted, ())
    if image.mode != "RGB":  # `convert` would copy the pixels
        image = image.convert("RGB")
    if source.info.get("icc_profile"):
        return image, ()
    declared = _declared(source)
    if declared is None:
        return image, ()
    return Image.fromarray(from_primaries(np.asarray(image), *declared)), ()


def is_srgb(profile: bytes) -> bool:
    """Return whether an ICC profile describes sRGB: its colorants and its curve.

    Parameters
    ----------
    profile : bytes

    Returns
    -------
    bool
        False also for a damaged profile.
    """
    try:
        if profile[16:20] != b"RGB ":
            return False
        tags = {
            profile[at : at + 4]: struct.unpack_from(">II", profile, at + 4)
            for at in range(132, 132 + 12 * min(struct.unpack_from(">I", profile, 128)[0], 100), 12)
        }
        if b"A2B0" in tags:
            return False
        for colour, wanted in zip((b"r", b"g", b"b"), _SRGB_COLORANTS, strict=True):
            at = tags[colour + b"XYZ"][0]
            found = np.array(struct.unpack_from(">3i", profile, at + 8)) / 65536
            if np.abs(found - wanted).max() > _COLORANT_TOLERANCE:
                return False
            start, size = tags[colour + b"TRC"]
            for value in (0.2, 0.5, 0.8):
                if abs(_curve(profile[start : start + size], value) - _linear(value)) > (
                    _CURVE_TOLERANCE
                ):
                    return False
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error):  # it is damaged
        return False
    return True


def _linear(value: float) -> float:
    """Return the linear light of an sRGB value."""
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _curve(curve: bytes, value: float) -> float:
    """Return the linear light that a curve of an ICC profile gives."""
    if curve[:4] == b"curv":
        count = struct.unpack_from(">I", curve, 8)[0]
        table = np.array(struct.unpack_from(f">{count}H", curve, 12))
        if count == 0:
            return value
        if count == 1:
            return float(value ** (float(table[0]) / 256))
        return float(np.interp(value, np.linspace(0, 1, count), table / 65535))
    if curve[:4] != b"para":
        raise ValueError("an unknown curve")
    kind = struct.unpack_from(">H", curve, 8)[0]
    numbers = struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", curve, 12)
    g, a, b, c, d, e, f = [n / 65536 for n in numbers] + [0.0] * (7 - len(numbers))
    if kind == 0:
        return float(value**g)
    if kind in (1, 2):
        offset = c if kind == 2 else 0.0
        return float((a * value + b) ** g) + offset if value >= -b / a else offset
    high, low = float((a * value + b) ** g) + e, float(c * value + f)
    return high if value >= d else low


def _convert(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Apply an ICC profile; None if it is damaged or littlecms is missing."""
    try:
        from PIL import ImageCms

        transform = _transform(profile, image.mode)
        return ImageCms.applyTransform(image, transform)
    except Exception:  # littlecms is missing (ImportError), or refuses the profile
        return None


@functools.lru_cache(maxsize=4)
def _transform(profile: bytes, mode: str) -> Any:
    """Return the transform of a profile, which takes milliseconds to build."""
    from PIL import ImageCms

    return ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _declared(source: Image.Image) -> tuple[float, tuple[float, ...]] | None:
    """Return gamma and chromaticities that a PNG or EXIF data declare, if they are not sRGB."""
    info = source.info
    if source.format == "PNG":
        gamma = info.get("gamma")
        if "srgb" in info or not gamma:
            return None
        chromaticity = tuple(info.get("chromaticity") or _SRGB)
        is_usual = abs(1 / gamma - _SRGB_GAMMA) < 0.05
        if is_usual and max(abs(a - b) for a, b in zip(chromaticity, _SRGB, strict=True)) < 0.005:
            return None
        return 1 / gamma, chromaticity
    if "exif" in info and b"R03" not in info["exif"]:
        return None  # without the time to read the tags
    try:
        exif = source.getexif()
        if ExifTags.IFD.Exif not in exif:
            return None
        if exif.get_ifd(ExifTags.IFD.Interop).get(1) == "R03":
            return _ADOBE_GAMMA, _ADOBE_RGB
    except Exception:  # EXIF data is damaged, but the pixels were decoded
        pass
    return None


def from_primaries(
    rgb: NDArray[np.uint8], gamma: float, chromaticity: tuple[float, ...]
) -> NDArray[np.uint8]:
    """Convert RGB of a gamma and primaries to sRGB.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
    gamma : float
        Linear light is the value to this power.
    chromaticity : tuple of 8 floats
        x and y of white, red, green and blue.

    Returns
    -------
    (H, W, 3) ndarray of uint8

    References
    ----------
    SMPTE RP 177-1993, derivation of television colour equations; chromatic adaptation by Bradford.
    """
    table = (np.arange(256) / 255) ** gamma
    linear: Floats = table[rgb]
    try:
        if max(abs(a - b) for a, b in zip(chromaticity, _SRGB, strict=True)) >= 0.005:
            to_srgb_light = np.linalg.solve(_xyz_of(_SRGB), _adapted(chromaticity))
            linear = np.einsum("ij,hwj->hwi", to_srgb_light, linear)
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return rgb
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (encoded * 255 + 0.5).astype(np.uint8)


def _xyz_of(chromaticity: tuple[float, ...]) -> Floats:
    """Return the matrix from linear RGB to XYZ."""
    white, *colours = [
        (x / y, 1.0, (1 - x - y) / y)
        for x, y in zip(chromaticity[::2], chromaticity[1::2], strict=True)
    ]
    primaries = np.array(colours).T
    matrix: Floats = primaries * np.linalg.solve(primaries, np.array(white))
    return matrix


def _adapted(chromaticity: tuple[float, ...]) -> Floats:
    """Return the matrix from linear RGB to XYZ under the white of sRGB."""
    cones = [
        _BRADFORD @ np.array([x / y, 1.0, (1 - x - y) / y])
        for x, y in (_SRGB[:2], chromaticity[:2])
    ]
    scale = np.diag(cones[0] / cones[1])
    adapted: Floats = np.linalg.solve(_BRADFORD, scale @ _BRADFORD) @ _xyz_of(chromaticity)
    return adapted
