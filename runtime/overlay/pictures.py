"""The pictures that a classification leaves for people: overlays and galleries."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import AlledgeError
from ..records import Result
from .overlay import Overlays, Scorer

if TYPE_CHECKING:
    from ..types import RGB, ImageSource


class Pictures:
    """Writes the overlay and the gallery of each image, into folders that were asked for.

    Parameters
    ----------
    overlay, gallery : str, Path or None
        Folders; None writes no such picture.
    geometry : {"squash", "crop"}
        Of the bundle's image settings.
    positive : collection of str
        The labels that mean a blast.
    images : iterable of object
        The images that are classified; the names of the pictures of those that are paths are
        checked now.
    force : bool
        Replace pictures that exist.

    Raises
    ------
    UsageError
        If a folder cannot be written, or holds a file with the name of a picture.
    """

    def __init__(
        self,
        overlay: str | Path | None,
        gallery: str | Path | None,
        *,
        geometry: str,
        positive: Collection[str],
        images: Iterable[object],
        force: bool,
    ) -> None:
        paths = [os.fsdecode(image) for image in images if isinstance(image, str | os.PathLike)]
        self._overlays, self._galleries = None, None
        if overlay is not None:
            self._overlays = Overlays(overlay, geometry, paths, force=force, positive=positive)
        if gallery is not None:
            from .gallery import Galleries

            self._galleries = Galleries(gallery, paths, force=force, positive=positive)

    def write(self, scorer: Scorer, source: ImageSource, rgb: RGB | None, result: Result) -> Result:
        """Return a result that names its pictures; it stays, whatever fails here.

        Parameters
        ----------
        scorer : Classifier
        source : as of `load_rgb`
            The classified image.
        rgb : (S, S, 3) ndarray of uint8 or None
            The image as the model sees it; None for a result with cells.
        result : Result
        """
        if self._overlays is not None:
            try:
                path = self._overlays.write(scorer, source, rgb, result)
                result = replace(result, overlay=str(path))
            except Exception as error:  # of Pillow or numpy, for example out of memory
                result = replace(result, overlay_error=_reason(error))
        if self._galleries is not None and result.cells is not None:
            try:
                sheets = self._galleries.write(source, result)
                result = replace(result, gallery=tuple(map(str, sheets)))
            except Exception as error:
                result = replace(result, gallery_error=_reason(error))
        return result


def _reason(error: Exception) -> str:
    if isinstance(error, AlledgeError):
        return error.one_line
    return f"{type(error).__name__}: {error}"
