"""Refuses to train a base on images that it was trained on in a bundle before.

The networks of the folds would start with weights that know the images of their tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...runtime.bundle.record_file import RECORD, parse_record, read_content
from ...runtime.bundle.seen_images import FILE_SETTINGS, TrainingImageHashes
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import load_rgb
from ..data.examples import NAMED_AT_MOST
from ..networks.base_weights import ARTIFACT_SUFFIX, weights_file
from .types import CELL

UNKNOWN = (
    "the base is that of an artifact without its bundle.json: what it was trained on is not known"
)


def refuse_images_of_bases(
    bases: Iterable[str], paths: Sequence[Path], *, force: bool, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Refuse images that a bundle was trained on whose base is used.

    The hashes are over whole files. A crop or a mirrored copy of an image is not recognised, and
    neither is an image of the base that the bundle itself started with.

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
        Notes for whoever reads the results; without paths, because they enter bundles.

    Raises
    ------
    BundleError, TamperedError
        If ``bundle.json`` beside the weights is damaged.
    DataError
        If there are such images, and `force` is False.
    ImageError
        If an image cannot be read.
    """
    notes = []
    for artifact in filter(None, map(weights_file, bases)):
        if artifact.suffix != ARTIFACT_SUFFIX:
            continue
        path = artifact.resolve().parent / RECORD
        content = read_content(path) if path.is_file() else b""
        record = parse_record(path, content) if content else {}
        if record.get("formats", {}).get("tflite", {}).get("file") != artifact.resolve().name:
            notes.append(UNKNOWN)
            continue
        known = _known_images(record, paths)
        if not known:
            continue
        what = (
            f"the base is that of the bundle {record['name']}, which was trained on {len(known)} "
            "of these images"
        )
        if not force:
            shown = ", ".join(known[:NAMED_AT_MOST]) + (", …" if len(known) > NAMED_AT_MOST else "")
            raise DataError(
                f"{what}: {shown}",
                allowed="images that the base does not know: otherwise the figures of the folds "
                "are too good",
                fix="the weights imagenet, or a file of the base; or --force to train in any case",
            )
        notes.append(f"{what}, so the figures of the folds are too good")
    for note in notes:
        say(note)
    return tuple(notes)


def _known_images(record: dict[str, Any], paths: Sequence[Path]) -> list[str]:
    """Return the names of the images that the bundle of a record was trained on."""
    seen = TrainingImageHashes(record.get("seen"))
    if not len(seen):
        return []
    is_cell = record["task"] == CELL
    settings = FILE_SETTINGS if is_cell else ImageSettings.from_json(record["image_path"])
    return [path.name for path in paths if load_rgb(path, settings) in seen]
