"""``--overlay``: draws an image with the regions that its label rests on.

The method is occlusion: a soft patch of background colour covers one place after the other, and
the loss of the label's log-odds is the evidence of that place. If many places carry the label,
covering one changes nothing; then each place is shown alone on background instead. This works for
every head, format and backend without gradients, and costs `PLACES` predictions for each image, or
twice as many.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ...errors import ImageError, UsageError
from ..imaging import load_picture
from ..records import Result
from .caption import LEAST_PIXELS, record_lines, verdict_text, with_caption
from .cell_marks import POSITIVE
from .cell_overlay import draw_cells
from .picture_folder import OVERLAYS, PictureFolder

if TYPE_CHECKING:
    from ..types import RGB, ImageSource

STEPS = 14  # places along each side
PLACES = STEPS * STEPS
PATCH_SHARE = 0.20  # full width of a patch at half maximum, relative to the image
LONGEST_PIXELS = 1280
BACKGROUND_PERCENTILE = 85  # of each channel: the brightness between the cells
LEAST_EVIDENCE = 0.05  # log-odds; below this, no region is shown
OUTLINE_LEVEL = 0.5  # of the largest evidence
OUTLINE_COLOUR = (255, 120, 0)
PALENESS = 0.55  # of regions without evidence

Map = NDArray[np.float32]


class Scorer(Protocol):
    """Computes calibrated scores; `Classifier` does."""

    def scores(self, rgb: RGB) -> NDArray[np.float64]:
        """Return the calibrated scores of an image, (C,)."""
        ...


def evidence_map(scorer: Scorer, rgb: RGB, index: int, *, alone: bool = False) -> Map:
    """Return the evidence for a label at each pixel of an image.

    Parameters
    ----------
    scorer : Classifier
        Called `PLACES` + 1 times.
    rgb : (S, S, 3) ndarray of uint8
    index : int
        Of the label.
    alone : bool
        Show each place alone on background instead of covering it.

    Returns
    -------
    (S, S) ndarray of float32
        Difference of the label's log-odds (natural logarithm) that the place makes. Negative
        values are evidence against the label.

    References
    ----------
    M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
    section 4.2.
    """
    size = len(rgb)
    colour = np.percentile(rgb.reshape(-1, 3), BACKGROUND_PERCENTILE, axis=0).astype(np.float32)
    pixels, background = rgb.astype(np.float32), np.broadcast_to(colour, rgb.shape)
    start, patch_pixels = (background, pixels) if alone else (pixels, background)
    start_odds = _log_odds(scorer.scores(np.rint(start).astype(np.uint8)), index)
    if alone:  # only evidence for the label counts
        start_odds = max(start_odds, 0.0)
    centres = (np.arange(STEPS) + 0.5) * size / STEPS
    deviation = PATCH_SHARE * size / 2.355  # of a Gaussian, from its full width at half maximum
    curves = np.exp(-0.5 * ((np.arange(size) - centres[:, None]) / deviation) ** 2)
    curves = curves.astype(np.float32)
    total, weight = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    for vertical in curves:
        for horizontal in curves:
            patch = np.outer(vertical, horizontal)
            changed = start + patch[..., None] * (patch_pixels - start)
            odds = _log_odds(scorer.scores(np.rint(changed).astype(np.uint8)), index)
            loss = start_odds - odds
            total += np.float32(min(loss, 0.0) if alone else loss) * patch
            weight += patch
    return total / (-weight if alone else weight)


def _log_odds(scores: NDArray[np.float64], index: int) -> float:
    p = float(np.clip(scores[index], 1e-7, 1 - 1e-7))
    return float(np.log(p / (1 - p)))


class Overlays:
    """Writes overlays into a folder: the cells of a field, or what the label rests on.

    Parameters
    ----------
    folder : str or Path
        Created if it does not exist.
    geometry : {"squash", "crop"}
        Of the bundle's image settings.
    images : iterable of str or Path
        The images whose overlays will be written, as far as they are known. Their names are
        chosen and checked now.
    force : bool
        Replace overlays that exist.
    positive : collection of str
        The labels that mean a blast.

    Raises
    ------
    UsageError
        If the folder cannot be created or written, or holds a file with the name of an overlay.
    """

    def __init__(
        self,
        folder: str | Path,
        geometry: str = "squash",
        images: Iterable[str | Path] = (),
        *,
        force: bool = False,
        positive: Collection[str] = POSITIVE,
    ) -> None:
        self._geometry, self._positive = geometry, positive
        self._pictures = PictureFolder(folder, OVERLAYS, images, force=force)

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._pictures.folder

    def write(self, scorer: Scorer, source: ImageSource, rgb: RGB | None, result: Result) -> Path:
        """Write the overlay of one image.

        Parameters
        ----------
        scorer : Classifier
            Not used for a result with cells.
        source : str, Path, PIL.Image.Image or ndarray
            The classified image.
        rgb : (S, S, 3) ndarray of uint8 or None
            The image as the model sees it; None for a result with cells.
        result : Result

        Returns
        -------
        Path
            ``<name of the image>.overlay.jpg`` in the folder; a second image of this name gets a
            number.

        Raises
        ------
        AlledgeError
            If the image cannot be read any more, or the file exists or cannot be written.
        ValueError
            If the result has neither cells nor scores, as an error record.
        """
        if result.cells is not None:
            picture = draw_cells(source, result, positive=self._positive)
        else:
            picture = self._draw_evidence(scorer, source, rgb, result)
        return self._pictures.save(result.image, picture)

    def _draw_evidence(
        self, scorer: Scorer, source: ImageSource, rgb: RGB | None, result: Result
    ) -> Image.Image:
        if result.scores is None or rgb is None:
            raise ValueError("an error record has no overlay")
        index = list(result.scores).index(str(result.label))
        evidence = evidence_map(scorer, rgb, index)
        if alone := float(evidence.max()) < LEAST_EVIDENCE:
            evidence = evidence_map(scorer, rgb, index, alone=True)
        heading = verdict_text(result, self._positive)
        return draw(source, evidence, result, heading, self._geometry, alone=alone)


def draw(
    source: ImageSource,
    evidence: Map,
    result: Result,
    heading: str,
    geometry: str = "squash",
    *,
    alone: bool = False,
) -> Image.Image:
    """Return an image with its evidence in full colour and outlined, and the rest pale.

    Parameters
    ----------
    source : str, Path, PIL.Image.Image or ndarray
    evidence : (S, S) ndarray of float32
        As `evidence_map` returns it.
    result : Result
    heading : str
    geometry : {"squash", "crop"}
        Of the bundle's image settings: which part of the image the model sees.
    alone : bool
        As for `evidence_map`.

    Returns
    -------
    PIL.Image.Image, RGB

    Raises
    ------
    UsageError
        If the image cannot be read any more.
    """
    try:
        picture = load_picture(source, LONGEST_PIXELS)
    except ImageError as error:
        raise UsageError(f"no overlay can be drawn: {error.what}") from None
    if max(picture.size) < LEAST_PIXELS:
        scale = LEAST_PIXELS / max(picture.size)
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    peak = float(evidence.max())
    if peak >= LEAST_EVIDENCE:
        heat = _resize_map(np.clip(evidence / peak, 0, 1), picture.size, geometry)
        picture = _highlight(picture, heat)
        note = f"outlined: what {'alone would carry' if alone else 'carries'} the answer"
    else:
        note = "no single region carries the answer"
    return with_caption(picture, heading, result, record_lines(result, [note]))


def _resize_map(heat: Map, size: tuple[int, int], geometry: str) -> Map:
    """Return the map at the size of the picture; 0 outside the part that the model sees."""
    width, height = size
    side = min(size)
    shape = size if geometry == "squash" else (side, side)
    inner = np.asarray(Image.fromarray(heat).resize(shape, Image.Resampling.BICUBIC))
    resized = np.zeros((height, width), np.float32)
    left, top = (width - shape[0]) // 2, (height - shape[1]) // 2
    resized[top : top + shape[1], left : left + shape[0]] = inner
    return np.clip(resized, 0, 1)


def _highlight(picture: Image.Image, heat: Map) -> Image.Image:
    pixels = np.asarray(picture, dtype=np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pale = 255 - (255 - grey) * PALENESS
    # half of the peak is already in full colour, so that whole cells are visible
    colour = np.clip(heat / OUTLINE_LEVEL, 0, 1)[..., None] ** 2
    mixed = pixels * colour + pale * (1 - colour)
    inside = Image.fromarray(((heat >= OUTLINE_LEVEL) * 255).astype(np.uint8))
    width = 2 * round(max(picture.size) / 640) + 1
    rim = np.asarray(inside.filter(ImageFilter.MaxFilter(width))) != np.asarray(inside)
    mixed[rim] = OUTLINE_COLOUR
    return Image.fromarray(np.rint(mixed).astype(np.uint8))
