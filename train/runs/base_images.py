"""Refuses to train a base on images that it was trained on in a bundle before.

The networks of the folds would start with weights that know the images of their tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ...errors import DataError
from ...runtime.bundle.bundle import Bundle
from ...runtime.bundle.record_file import RECORD
from ...runtime.bundle.seen_images import FILE_SETTINGS, TrainingImageHashes
from ...runtime.imaging import load_rgb
from ..data.examples import NAMED_AT_MOST
from ..networks.base_weights import weights_file
from .types import CELL


def refuse_images_of_bases(
    bases: Iterable[str], paths: Sequence[Path], *, force: bool, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Refuse images that a bundle was trained on whose base is named.

    Parameters
    ----------
    bases : iterable of str
        Weights, as `weights_file` takes them. Only those of a bundle know their images.
    paths : sequence of Path
        Images of all data sets.
    force : bool
        Warn instead.
    say : callable
        Called with each warning.

    Returns
    -------
    tuple of str
        Notes for whoever reads the results.

    Raises
    ------
    DataError
        If there are such images, and `force` is False.
    """
    notes = []
    for weights in bases:
        known = _images_of_base(weights, paths)
        if not known:
            continue
        what = f"the bundle of --weights {weights} was trained on {len(known)} of these images"
        if not force:
            shown = ", ".join(known[:NAMED_AT_MOST]) + (", …" if len(known) > NAMED_AT_MOST else "")
            raise DataError(
                f"{what}: {shown}",
                allowed="images that the base does not know, or the figures of the folds are too "
                "good",
                fix="--weights imagenet, or a file of the base; or --force to train in any case",
            )
        notes.append(f"{what}, so the figures of the folds are too good")
        say(notes[-1])
    return tuple(notes)


def _images_of_base(weights: str, paths: Sequence[Path]) -> list[str]:
    """Return the names of the images that the bundle of these weights was trained on."""
    artifact = weights_file(weights)
    if artifact is None or not (artifact.parent / RECORD).is_file():
        return []
    bundle = Bundle.open(artifact.parent)
    seen = TrainingImageHashes(bundle.record["seen"])
    settings = FILE_SETTINGS if bundle.task == CELL else bundle.image_settings
    return [path.name for path in paths if load_rgb(path, settings) in seen]
