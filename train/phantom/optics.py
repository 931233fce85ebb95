"""The stain, the light and the cameras of generated smears. Imports numpy and Pillow only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from .cells import EOSIN, Canvas, Floats, grain

# Absorbance per unit of density in red, green and blue, from May-Grünwald-Giemsa colours.
STAINS = np.array(
    [[0.17, 0.38, 0.38], [1.02, 1.85, 0.62], [0.46, 0.34, 0.06]],  # eosin, azure, blue
    np.float32,
)
SATURATION = np.float32(1.8)  # greatest density of eosin
REFERENCE_WIDTH = 640  # pixels: width of the field that the cameras' blur refers to


@dataclass(frozen=True)
class Camera:
    """A camera model: its field of view and its colours.

    Parameters
    ----------
    model : str
        Written to the EXIF block.
    width, height : float
        Size of its images, relative to the requested width.
    field_um : float
        Width of the field of view, in micrometres.
    light : (float, float, float)
        Red, green and blue of an empty field, 0 to 255.
    gamma : float
    blur_px : float
        Blur of a field that is 640 pixels wide, in pixels.
    noise : float
        Standard deviation, in grey levels.
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
    Camera(
        model="phantom G", width=1.0, height=0.75, field_um=78.0, light=(212, 208, 186),
        gamma=0.95, blur_px=0.7, noise=2.2,
    ),
    Camera(
        model="phantom C", width=0.875, height=0.7, field_um=70.0, light=(214, 217, 219),
        gamma=1.05, blur_px=1.0, noise=3.0,
    ),
)  # fmt: skip


def photograph(rng: np.random.Generator, canvas: Canvas, camera: Camera) -> Image.Image:
    """Return the photograph of a stained canvas through the microscope.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the photograph's stain strength, light, focus and noise.
    canvas : Canvas
        Its densities are changed.
    camera : Camera

    Returns
    -------
    PIL.Image.Image
        RGB, of the canvas' size.
    """
    height, width = canvas.height, canvas.width
    strength = np.exp(rng.normal(0, (0.2, 0.18, 0.25)).clip(-0.5, 0.4))
    stains = STAINS * strength[:, None] * rng.normal(1, 0.05, (3, 3))
    eosin = canvas.planes[EOSIN]  # two overlapping red cells are not as dark as the sum of both
    np.tanh(eosin / SATURATION, out=eosin)
    eosin *= SATURATION
    # one exponential applies both the absorbance and the camera's gamma
    gamma = np.float32(camera.gamma)
    density = np.tensordot(canvas.planes, (-gamma * stains).astype(np.float32), (0, 0))
    light = np.array(camera.light) * rng.normal(1, 0.07) * rng.normal(1, 0.028, 3)
    pixels = np.exp(density, out=density)
    pixels *= _illumination(rng, width, height)[..., None] ** gamma
    pixels *= (255 * (light / 255) ** gamma).astype(np.float32)
    image = Image.fromarray(np.clip(pixels, 0, 255, out=pixels).astype(np.uint8))
    defocus = camera.blur_px + rng.gamma(1.3, 0.35)
    image = image.filter(ImageFilter.GaussianBlur(defocus * canvas.width / REFERENCE_WIDTH))
    noisy = rng.standard_normal((height, width, 3), np.float32)
    noisy *= np.float32(camera.noise)
    noisy += np.asarray(image)
    noisy += np.float32(0.5)
    return Image.fromarray(np.clip(noisy, 0, 255, out=noisy).astype(np.uint8))


def _illumination(rng: np.random.Generator, width: int, height: int) -> Floats:
    """Return the brightness of the field, about 1 in the middle: vignetting, a slope and clouds."""
    across = np.linspace(-1, 1, width, dtype=np.float32) - np.float32(rng.normal(0, 0.2))
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - np.float32(rng.normal(0, 0.2))
    fall, slope = rng.uniform(0.02, 0.13), rng.normal(0, 0.035, 2)
    light = 1 - np.float32(fall) * (across**2 + down**2)
    light += np.float32(slope[0]) * across + np.float32(slope[1]) * down
    return np.asarray(light + 0.01 * grain(rng, (height, width), width / 4), np.float32)
