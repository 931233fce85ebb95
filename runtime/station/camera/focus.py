"""Focus and exposure of a frame, and whether a new field is in focus; numpy only."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ...types import RGB

Exposure = Literal["good", "dark", "bright"]
Floats32 = NDArray[np.float32]

GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
CENTRE_PIXELS = 640  # of the part whose sharpness is measured; it is not reduced
SMALL_PIXELS = 16  # of the picture by which fields are compared; a change of focus hardly shows
DARK_BELOW = 100  # grey level of the background, which is the 95th percentile
CLIPPED_FROM = 250  # grey level
MOST_CLIPPED = 0.05  # share of the pixels

SETTLE_S = 1.0  # the picture and its sharpness must stand still for so long
STEADY = 0.08  # largest relative change of the sharpness in that time
NEAR_BEST = 0.85  # least sharpness, relative to the best since the field came
SHARPER = 1.3  # the same field is taken again if it is sharper by this factor
MOVED_LEVELS = 4.0  # mean difference of grey levels between two fields


@dataclass(frozen=True)
class FrameMeasure:
    """What is measured of one frame.

    Parameters
    ----------
    sharpness : float
        Variance of the Laplacian over the squared mean, ≥ 0; without a unit, and comparable
        between frames of one camera and one magnification only.
    background : float
        95th percentile of the grey levels, 0 to 255.
    clipped : float
        Share of pixels with a channel near its maximum, 0 to 1.
    small : (h, w) ndarray of float32
        The frame in grey, for comparing fields.

    References
    ----------
    Pech-Pacheco, J. L. et al. (2000). Diatom autofocusing in brightfield microscopy: a comparative
    study. ICPR 15, 3, 314-317.
    """

    sharpness: float
    background: float
    clipped: float
    small: Floats32

    @property
    def exposure(self) -> Exposure:
        """Whether the background is bright, and not clipped."""
        if self.clipped > MOST_CLIPPED:
            return "bright"
        return "dark" if self.background < DARK_BELOW else "good"


def measure_frame(rgb: RGB) -> FrameMeasure:
    """Measure sharpness and exposure of a frame.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
        At least 3 × 3 pixels.

    Returns
    -------
    FrameMeasure
    """
    height, width = rgb.shape[:2]
    part = min(CENTRE_PIXELS, height, width)
    top, left = (height - part) // 2, (width - part) // 2
    grey = rgb[top : top + part, left : left + part] @ GREY
    laplacian = (
        4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    )
    step = max(1, min(height, width) // 240)
    coarse = rgb[::step, ::step]
    return FrameMeasure(
        float(laplacian.var() / max(float(grey.mean()), 1.0) ** 2),
        float(np.percentile(coarse @ GREY, 95)),
        float((coarse.max(axis=2) >= CLIPPED_FROM).mean()),
        _small(rgb),
    )


def _small(rgb: RGB) -> Floats32:
    """Return the means of blocks, in which a change of focus hardly shows."""
    step = max(1, min(rgb.shape[:2]) // SMALL_PIXELS)
    height, width = (size // step for size in rgb.shape[:2])
    thin = rgb[: height * step : max(1, step // 4), : width * step : max(1, step // 4)] @ GREY
    per_block = step // max(1, step // 4)
    rows, columns = thin.shape[0] // per_block, thin.shape[1] // per_block
    blocks = thin[: rows * per_block, : columns * per_block]
    means = blocks.reshape(rows, per_block, columns, per_block).mean(axis=(1, 3))
    return np.asarray(means, np.float32)


class SettledFocus:
    """Says once of each field when it stands still and is in focus.

    A field that was passed in focus and stands out of focus is not taken: its sharpness must be
    near the best that was seen since it came.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, FrameMeasure]] = deque()
        self._taken: FrameMeasure | None = None  # of the last picture
        self.best = 0.0

    def update(self, measure: FrameMeasure, time_s: float) -> bool:
        """Return whether to take this frame.

        Parameters
        ----------
        measure : FrameMeasure
        time_s : float
            Of the frame, in seconds; never falling.
        """
        if self._recent and _differs(self._recent[0][1].small, measure.small):  # the stage moves
            self._recent.clear()
            self.best = 0.0
        self.best = max(self.best, measure.sharpness)
        self._recent.append((time_s, measure))
        while time_s - self._recent[0][0] > SETTLE_S:
            self._recent.popleft()
        if not self._is_settled(time_s) or not self._is_new(measure):
            return False
        self._taken = measure
        return True

    def _is_settled(self, time_s: float) -> bool:
        values = [measure.sharpness for _, measure in self._recent]
        return (
            time_s - self._recent[0][0] >= 0.8 * SETTLE_S
            and max(values) - min(values) <= STEADY * max(values)
            and values[-1] >= NEAR_BEST * self.best
        )

    def _is_new(self, measure: FrameMeasure) -> bool:
        if self._taken is None:
            return True
        is_sharper = measure.sharpness > SHARPER * self._taken.sharpness
        return is_sharper or _differs(self._taken.small, measure.small)


def _differs(first: Floats32, second: Floats32) -> bool:
    if first.shape != second.shape:
        return True
    return float(np.abs(first - second).mean()) > MOVED_LEVELS
