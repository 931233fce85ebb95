"""Chooses the references of a bundle by the scores of the float TFLite graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import ExportError
from ..runtime.cells.settings import CellSettings
from ..runtime.image_settings import ImageSettings
from ..runtime.tflite_graph import count_flops
from .convert.conversion import Conversion
from .gate import reference_cells, reference_images
from .gate.parity import TOLERANCES, coverage, positive_probability
from .types import DecisionRule, Floats, Images, References, Scores

# From so many floating-point operations an image, every so manieth image of the pool is scored.
POOL_STEPS = ((20_000_000_000, 5), (5_000_000_000, 3))


def reference_pool(
    settings: ImageSettings, folder: Path | None = None, cells: CellSettings | None = None
) -> Images:
    """Return the images that references are chosen from, (N, S, S, 3) uint8.

    Parameters
    ----------
    settings : ImageSettings
    folder : Path, optional
        Images that may be shipped; generated smears by default.
    cells : CellSettings, optional
        Of a cell model.
    """
    if folder is not None:
        if cells is None:
            return reference_images.load_reference_folder(folder, settings)
        return reference_cells.load_reference_cells(folder, cells)
    if cells is None:
        return reference_images.generate_pool(settings)
    return reference_cells.generate_cell_pool(cells)


def choose_references(
    conversion: Conversion,
    rule: DecisionRule,
    labels: list[str],
    positives: list[str],
    pool: Images,
    *,
    generated: bool = True,
    least_step: int = 1,
) -> Images:
    """Return the reference images of a network, (32, S, S, 3) uint8.

    Parameters
    ----------
    conversion : Conversion
    rule : DecisionRule
        Of the float model.
    labels, positives : list of str
    pool : (N, S, S, 3) ndarray of uint8
        From `reference_pool`.
    generated : bool
        Whether the pool is generated. Then the networks that take long score a part of it, and
        blends of two images may become references.
    least_step : int
        Of a generated pool, at most every `least_step`-th image is scored.
    """
    float_tflite, threshold = conversion.float_tflite(), rule.thresholds.threshold
    if generated:
        pool = pool[:: max(least_step, pool_step(count_flops(float_tflite)))]

    def score(images: Images) -> Floats:
        # By TFLite: Keras needs minutes for a whole pool.
        scores = conversion.scores("tflite", float_tflite, images)
        return positive_probability(scores, rule, labels, positives)

    images, p = pool, score(pool)
    if generated:
        images, p = reference_images.add_blends(images, p, threshold, score)
    return images[reference_images.choose_references(p, threshold)]


def pool_step(flops: int) -> int:
    """Return which part of the pool a network scores: every n-th image.

    The step is odd, because every second smear of the pool has blasts.

    Parameters
    ----------
    flops : int
        Floating-point operations of the network for one image.

    Examples
    --------
    >>> pool_step(600_000_000), pool_step(11_000_000_000), pool_step(31_000_000_000)
    (1, 3, 5)
    """
    return next((step for least, step in POOL_STEPS if flops >= least), 1)


def scores_of_float_model(
    conversion: Conversion, references: Images, others: Images | None
) -> tuple[Scores, Scores | None]:
    """Return the raw scores of the float model for the references and for other images.

    Keras scores the references. The other images are scored by the float TFLite graph, which takes
    a fraction of the time, if it gives the references the scores of Keras.

    Parameters
    ----------
    conversion : Conversion
    references : (N, S, S, 3) ndarray of uint8
    others : (M, S, S, 3) ndarray of uint8, optional

    Returns
    -------
    (N, C) ndarray of float32, (M, C) ndarray of float32 or None

    Raises
    ------
    ExportError
        If the float graph is not the float model: a score of a reference differs by more than
        float32 artifacts may.
    """
    expected = conversion.float_scores(references)
    if others is None:
        return expected, None
    images = np.concatenate([references, others])
    scores = conversion.scores("tflite", conversion.float_tflite(), images)
    difference = float(np.abs(scores[: len(references)] - expected).max())
    if not difference <= (allowed := TOLERANCES["float32"].max_dp):
        raise ExportError(
            f"the float TFLite graph is not the float model: a score differs by {difference:.4f}",
            allowed=f"at most {allowed}",
        )
    return expected, scores[len(references) :]


def scored_references(
    images: Images,
    float_scores: Scores,
    rule: DecisionRule,
    labels: list[str],
    positives: list[str],
    source: str = "generated",
    cells: CellSettings | None = None,
) -> References:
    """Return the references of a bundle from their images and the float model's raw scores."""
    covered = coverage(float_scores, rule, labels, positives)
    picture = None if cells is None else reference_cells.draw_cell_picture(cells)
    return References(images, float_scores, covered, source, picture)
