"""From an image file to what a model sees of it, with the flags of the guards; thread-safe."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import AlledgeError
from .first_use import FirstUse
from .imaging import load_image, resolve_source

if TYPE_CHECKING:
    from .cells.cell_task import PreparedCells
    from .cells.types import TakenAs
    from .guards.measurements import Measurements
    from .image_judge import ImageJudge
    from .image_settings import ImageSettings
    from .imaging import Header
    from .previews import Preview
    from .records import Result
    from .types import RGB, ImageSource

_first_image = FirstUse()


@dataclass(frozen=True)
class PreparedImage:
    """An image as the model sees it, and the flags of the guards.

    Parameters
    ----------
    source : as of `load_rgb`
        No stream that can be read only once.
    name : str or None
        In a record.
    content : (S, S, 3) ndarray of uint8, or PreparedCells
        Of a whole field, or of its cells.
    flags : tuple of str
        Of the decoder and the guards.
    seconds : float
        That it took.
    key : int
        Of the source, among the images in work.
    preview : Preview or None
    measurements : Measurements or None
    """

    source: ImageSource
    name: str | None
    content: RGB | PreparedCells
    flags: tuple[str, ...]
    seconds: float
    key: int
    preview: Preview | None
    measurements: Measurements | None


class ImagePreparation:
    """Prepares images for the model of a bundle; thread-safe.

    Parameters
    ----------
    settings : ImageSettings
    judge : ImageJudge
        Its guards give the flags, and its cells are found.
    previews, measurements : bool
        Whether each image gets a preview, and what the guards compare.
    """

    def __init__(
        self, settings: ImageSettings, judge: ImageJudge, previews: bool, measurements: bool
    ) -> None:
        self._settings, self._judge = settings, judge
        self._previews, self._measurements = previews, measurements

    def prepare(self, source: ImageSource, taken_as: TakenAs) -> PreparedImage | Result:
        """Return an image as the model sees it, or the error record."""
        started = time.perf_counter()
        key, name = id(source), image_name(source)
        content: RGB | PreparedCells
        preview = measurements = None
        try:
            with _first_image.alone():
                source = resolve_source(source)  # a stream can be read only once
                if self._judge.cells is not None:
                    content = self._judge.cells.prepare(
                        source, taken_as, preview=self._previews, measurements=self._measurements
                    )
                    flags, preview = content.flags, content.preview
                    measurements = content.measurements if self._measurements else None
                else:
                    content, header = load_image(source, self._settings)
                    measurements = self._measured(content, header)
                    statistics = None if measurements is None else measurements.statistics
                    flags = self._judge.flags(content, header, statistics)
                    preview = self._preview(content, header)
        except AlledgeError as error:
            return self._judge.error_result(name, error.one_line, time.perf_counter() - started)
        seconds = time.perf_counter() - started
        return PreparedImage(source, name, content, flags, seconds, key, preview, measurements)

    def _measured(self, rgb: RGB, header: Header) -> Measurements | None:
        if not self._measurements:
            return None
        from .guards.image_statistics import image_statistics
        from .guards.measurements import Measurements

        return Measurements(header, image_statistics(rgb, header))

    def _preview(self, rgb: RGB, header: Header) -> Preview | None:
        if not self._previews:
            return None
        from .previews import preview_of_square

        return preview_of_square(rgb, header, self._settings.geometry)


def image_name(source: object) -> str | None:
    """Return the image's name in a record: the path as given, None for content and pixels."""
    return os.fsdecode(source) if isinstance(source, str | os.PathLike) else None
