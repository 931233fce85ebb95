"""The light, the stain and the cameras of generated smears; numpy and Pillow only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from .cells import EOSIN, Canvas, Floats, grain

# Absorbance per unit of density in red, green and blue, read off May-Grünwald-Giemsa colours.
STAINS = np.array(
    [[0.17, 0.38, 0.38], [1.02, 1.85, 0.62], [0.46, 0.34, 0.06]],  # eosin, azure, blue
    np.float32,
)
SATURATION = np.float32(1.8)  # of eosin, in densities
REFERENCE_WIDTH = 640  # px, of the field that a camera's blur is given for


@dataclass(frozen=True)
class Camera:
    """One make of camera: how large a field it sees, and what it does to colour.

    Parameters
    ----------
    model : str
        Goes into the EXIF block.
    width, height : float
        Pixels, in units of the size asked for.
    field_um : float
        Width of the field of view in micrometres.
    light : (float, float, float)
        Empty field, red, green and blue, 0 to 255.
    gamma, blur_px, noise : float
        Blur for a field 640 pixels wide; noise in grey levels.
    """

    model: str
    width: float
    height: float
    field_um: float
    light: tuple[float, float, float]
    gamma: float
    blur_px: float
    noise: float


CAMERAS = (
    Camera("phantom G", 1.0, 0.75, 78.0, (212, 208, 186), 0.95, 0.7, 2.2),
    Camera("phantom C", 0.875, 0.7, 70.0, (214, 217, 219), 1.05, 1.0, 3.0),
)


def photograph(rng: np.random.Generator, canvas: Canvas, camera: Camera) -> Image.Image:
    """Return the picture that a camera takes of a stained canvas through the microscope.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the stain, the light, the focus and the noise of this one picture.
    canvas : Canvas
        Used up: its densities are changed.
    camera : Camera

    Returns
    -------
    PIL.Image.Image
        RGB, of the canvas' size.
    """
    height, width = canvas.height, canvas.width
    strength = np.exp(rng.normal(0, (0.2, 0.18, 0.25)).clip(-0.5, 0.4))
    stains = STAINS * strength[:, None] * rng.normal(1, 0.05, (3, 3))
    eosin = canvas.planes[EOSIN]  # where red cells overlap, less darkens than the sum of the two
    np.tanh(eosin / SATURATION, out=eosin)
    eosin *= SATURATION
    # absorbance and the camera's gamma in one exponent
    bend = np.float32(camera.gamma)
    density = np.tensordot(canvas.planes, (-bend * stains).astype(np.float32), (0, 0))
    light = np.array(camera.light) * rng.normal(1, 0.07) * rng.normal(1, 0.028, 3)
    pixels = np.exp(density, out=density)
    pixels *= _illumination(rng, width, height)[..., None] ** bend
    pixels *= (255 * (light / 255) ** bend).astype(np.float32)
    image = Image.fromarray(np.clip(pixels, 0, 255, out=pixels).astype(np.uint8))
    defocus = camera.blur_px + rng.gamma(1.3, 0.35)
    image = image.filter(ImageFilter.GaussianBlur(defocus * canvas.width / REFERENCE_WIDTH))
    noisy = rng.standard_normal((height, width, 3), np.float32)
    noisy *= np.float32(camera.noise)
    noisy += np.asarray(image)
    noisy += np.float32(0.5)
    return Image.fromarray(np.clip(noisy, 0, 255, out=noisy).astype(np.uint8))


def _illumination(rng: np.random.Generator, width: int, height: int) -> Floats:
    """Return the light on the field, about 1 in the middle: vignetting, a slope, faint clouds."""
    across = np.linspace(-1, 1, width, dtype=np.float32) - np.float32(rng.normal(0, 0.2))
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - np.float32(rng.normal(0, 0.2))
    fall, slope = rng.uniform(0.02, 0.13), rng.normal(0, 0.035, 2)
    light = 1 - np.float32(fall) * (across**2 + down**2)
    light += np.float32(slope[0]) * across + np.float32(slope[1]) * down
    return np.asarray(light + 0.01 * grain(rng, (height, width), width / 4), np.float32)
