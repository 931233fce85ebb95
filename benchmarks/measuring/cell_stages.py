"""Times the stages of a field that a cell model judges: decode, detect, judge."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.bundle import Bundle
from ...runtime.cells.crops import crop_cells
from ...runtime.cells.detection import detect_cells
from ...runtime.cells.field_cells import find_cells
from ...runtime.cells.settings import CellSettings
from ...runtime.classifier import Classifier
from ...runtime.imaging import load_field, load_rgb
from ..types import StageSamples

MIN_SAMPLES = 7  # a field of many cells takes long
WARMUP_RUNS = 2


def sample_pixels(bundle: Bundle, image: str) -> NDArray[np.uint8]:
    """Return what the model sees once: the whole image, or its first cell for a cell model.

    Parameters
    ----------
    bundle : Bundle
    image : str

    Returns
    -------
    (1, S, S, 3) ndarray of uint8
        For a cell model, the image as one cell if no cell is found in it.
    """
    if "cells" in bundle.record:
        crops = find_cells(image, CellSettings.from_json(bundle.record["cells"])).crops
        if len(crops):
            return crops[:1]
    return load_rgb(image, bundle.image_settings)[np.newaxis]


def measure_stages(classifier: Classifier, image: str, seconds: float) -> StageSamples | None:
    """Time the stages of one field repeatedly; None for a model of whole fields.

    Parameters
    ----------
    classifier : Classifier
    image : str
    seconds : float
        Timed duration.

    Returns
    -------
    dict or None
        Number of cells, and the milliseconds of each stage, one sample a repetition: reading and
        reducing the file; finding the cells; cutting them out and judging all of them.
    """
    if "cells" not in classifier.bundle.record:
        return None
    settings = CellSettings.from_json(classifier.bundle.record["cells"])
    for _ in range(WARMUP_RUNS):
        _time_once(classifier, image, settings)
    samples: StageSamples = {"cells": 0, "decode_ms": [], "detect_ms": [], "judge_ms": []}
    ends = time.perf_counter() + seconds
    while len(samples["decode_ms"]) < MIN_SAMPLES or time.perf_counter() < ends:
        cells, decode, detect, judge = _time_once(classifier, image, settings)
        samples["cells"] = cells
        samples["decode_ms"].append(decode)
        samples["detect_ms"].append(detect)
        samples["judge_ms"].append(judge)
    return samples


def _time_once(
    classifier: Classifier, image: str, settings: CellSettings
) -> tuple[int, float, float, float]:
    """Return the number of cells, and the milliseconds of the three stages."""
    begun = time.perf_counter_ns()
    rgb, _, _ = load_field(image, settings.field_pixels)
    decoded = time.perf_counter_ns()
    detection = detect_cells(rgb, settings.detection)
    detected = time.perf_counter_ns()
    for crop in crop_cells(rgb, detection, settings.crop):
        classifier.scores(crop)
    judged = time.perf_counter_ns()
    return (
        len(detection.cells),
        round((decoded - begun) / 1e6, 4),
        round((detected - decoded) / 1e6, 4),
        round((judged - detected) / 1e6, 4),
    )
