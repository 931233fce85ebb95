"""Measures the fields of a microscope: light, stain, scale, sharpness, noise, cells and flags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import AlledgeError
from ..bundle.bundle import Bundle
from ..cells.cell_task import CellTask
from ..guards.cell_guards import field_statistics
from ..guards.image_statistics import image_statistics
from ..image_judge import ImageJudge
from ..imaging import Header, load_image

if TYPE_CHECKING:
    from ..types import RGB, Statistics

STRIDE = 4  # every fourth row and column show the light
BACKGROUND_PERCENT = 90
NORMAL_MAD = 0.6745  # median absolute deviation of a standard normal distribution


@dataclass(frozen=True)
class FieldSurvey:
    """What was measured of one field.

    Parameters
    ----------
    statistics : dict
        What the guards of fields compare.
    header : Header
    white : (float, float, float)
        Red, green and blue of the background, in [0, 255].
    noise : float
        Standard deviation of a grey value, in levels of 255.
    scale_px : float or None
        Diameter of an erythrocyte in pixels of the file; None where none is known.
    flags : tuple of str
        Of the decoder and the guards.
    unfamiliar : tuple of bool
        Of each cell, whether the guards of cells flag it.
    """

    statistics: Statistics
    header: Header
    white: tuple[float, float, float]
    noise: float
    scale_px: float | None
    flags: tuple[str, ...]
    unfamiliar: tuple[bool, ...]


def survey_fields(
    images: Sequence[str],
    bundle: Bundle,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[FieldSurvey], dict[str, str]]:
    """Measure fields as the guards of a bundle see them; needs no engine.

    Parameters
    ----------
    images : sequence of str
    bundle : Bundle
    progress : callable, optional
        Called with the number of images that are done and of all images.

    Returns
    -------
    list of FieldSurvey
    dict of str to str
        Why an image could not be read, by its name.
    """
    artifact = next(iter(bundle.formats.values()))
    judge = ImageJudge(bundle, artifact)
    surveys, errors = [], {}
    for number, image in enumerate(images):
        try:
            if judge.cells is not None:
                surveys.append(_cells_of_field(Path(image), judge.cells))
            else:
                rgb, header = load_image(image, bundle.image_settings)
                flags = judge.flags(rgb, header)
                statistics = image_statistics(rgb, header)
                surveys.append(_survey(rgb, header, statistics, None, flags, ()))
        except AlledgeError as error:
            errors[image] = error.one_line
        if progress is not None:
            progress(number + 1, len(images))
    return surveys, errors


def _cells_of_field(image: Path, task: CellTask) -> FieldSurvey:
    field, prepared = task.prepare_field(image)
    statistics = field_statistics(field.rgb, field.header)
    found = field.detection
    scale = found.unit * field.scale if found.unit_source == "erythrocytes" else None
    return _survey(field.rgb, field.header, statistics, scale, prepared.flags, prepared.unfamiliar)


def _survey(
    rgb: RGB,
    header: Header,
    statistics: Statistics,
    scale: float | None,
    flags: tuple[str, ...],
    unfamiliar: tuple[bool, ...],
) -> FieldSurvey:
    pixels = rgb[::STRIDE, ::STRIDE].reshape(-1, 3)
    red, green, blue = np.percentile(pixels, BACKGROUND_PERCENT, axis=0).tolist()
    return FieldSurvey(
        statistics, header, (red, green, blue), noise_level(rgb), scale, flags, unfamiliar
    )


def noise_level(rgb: NDArray[np.uint8]) -> float:
    """Return the standard deviation of the noise of the grey values, in levels of 255.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8

    References
    ----------
    D. L. Donoho, I. M. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81
    (1994), 425-455: the median absolute diagonal detail of the finest octave.
    """
    height, width = (side // 2 * 2 for side in rgb.shape[:2])
    grey = rgb[:height, :width].astype(np.float32).mean(axis=2)
    diagonal = (grey[::2, ::2] - grey[1::2, ::2] - grey[::2, 1::2] + grey[1::2, 1::2]) / 2
    return float(np.median(np.abs(diagonal))) / NORMAL_MAD
