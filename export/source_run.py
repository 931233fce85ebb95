"""The images of a finished run, where its data set is still unchanged."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ..errors import AlledgeError, ExportError
from ..runtime.cells.settings import CellSettings
from ..runtime.data.datasets import Sample
from ..runtime.guards.fitting import fit_guards
from ..runtime.guards.guards import is_current
from ..runtime.guards.image_statistics import image_statistics
from ..runtime.image_settings import ImageSettings
from ..runtime.imaging import load_image, load_rgb
from ..runtime.types import GuardsRecord
from ..train.data.cells.unknown_cells import known_cells
from ..train.runs.field_table import counted_cells
from ..train.runs.predictions import TRAIN_AGAIN, Predictions, SplitRow
from ..train.runs.run_folder import Run
from .convert.calibration_images import MAX_IMAGES, CalibrationImages, choose_balanced
from .gate.field_units import NO_FIELD, FieldUnits
from .generated_cells import draw_calibration_cells, with_generated
from .source_cells import is_cell_run, read_cells
from .source_data import changed_error, unchanged_dataset
from .types import Images, Indices, Mask


@dataclass(frozen=True)
class RunImages:
    """The images of a run, each once, and the out-of-fold predictions of its networks.

    Parameters
    ----------
    images : (N, S, S, 3) ndarray of uint8
        First the images that were predicted out of fold, in the order of the predictions, then
        those that every network was trained on.
    names, labels, cameras, groups : tuple of str
        Of each image.
    trained_by : tuple of frozenset of int
        Per image, the numbers of the folds that trained on it.
    predictions : Predictions
        One row an image and fold that tests it: several folds of a camera split test an image.
    fields : (N,) ndarray of int, optional
        Only of a cell run, whose images are cells: index of the field of each; -1 for an image of
        one cell, and for a cell that the device does not count.
    positive_fields : (F,) ndarray of bool, optional
        Only of a cell run: whether the label of each field is positive.
    known : (N,) ndarray of bool, optional
        Only of a cell run: whether the truth of each cell is known. Others were not trained on.
    cell_settings : CellSettings, optional
        Only of a cell run: how its cells were found and cut out.
    """

    images: Images
    names: tuple[str, ...]
    labels: tuple[str, ...]
    cameras: tuple[str, ...]
    groups: tuple[str, ...]
    trained_by: tuple[frozenset[int], ...]
    predictions: Predictions
    fields: Indices | None = None
    positive_fields: Mask | None = None
    known: Mask | None = None
    cell_settings: CellSettings | None = None

    def calibration_images(self, fold: int | None = None) -> CalibrationImages:
        """Return the images that int8 ranges are measured on.

        Parameters
        ----------
        fold : int, optional
            The fold whose network is converted; None for the network that was refitted on all
            images.

        Returns
        -------
        CalibrationImages
            Images that this network was trained on, as many of every label and camera as there
            are. None of them shares a group with an image that tests the fold. Of a cell run,
            every other one is a cell of generated smears.
        """
        usable = self._known_images()
        if fold is not None:
            tested = self.tested_groups(fold)
            usable = [
                index
                for index in usable
                if fold in self.trained_by[index] and self.groups[index] not in tested
            ]
        own = self._trained_images(usable)
        if self.cell_settings is None:
            return own
        return with_generated(own, draw_calibration_cells(self.cell_settings))

    def _trained_images(self, usable: list[int]) -> CalibrationImages:
        chosen = self._choose_balanced(usable)
        return CalibrationImages(
            self.images[chosen],
            tuple(self.labels[index] for index in chosen),
            tuple(self.cameras[index] for index in chosen),
        )

    def compared_images(self) -> Indices:
        """Return the indices of images on which an artifact is compared without a gate.

        Returns
        -------
        (N,) ndarray of int
            At most `MAX_IMAGES`. Those that the exported network is not calibrated on come first.
        """
        known = self._known_images()
        calibrated = self._choose_balanced(known)
        others = self._choose_balanced([index for index in known if index not in set(calibrated)])
        return np.array([*others, *calibrated][:MAX_IMAGES], dtype=np.int64)

    def _known_images(self) -> list[int]:
        """Return the indices of the images whose truth is known."""
        count = len(self.names)
        return [index for index in range(count) if self.known is None or self.known[index]]

    def _choose_balanced(self, indices: list[int]) -> list[int]:
        """Return at most `MAX_IMAGES` of the images, about as many of every label and camera."""
        return choose_balanced(
            indices,
            lambda index: self.names[index],
            lambda index: (self.labels[index], self.cameras[index]),
        )

    def tested_images(self, fold: int) -> Indices:
        """Return the indices of the images that test a fold, in the order of the predictions."""
        index = {name: number for number, name in enumerate(self.names)}
        rows = np.flatnonzero(self.predictions.folds == fold)
        return np.array([index[self.predictions.images[row]] for row in rows], dtype=np.int64)

    def field_units(self) -> FieldUnits | None:
        """Return the fields of the images; None unless these are cells."""
        if self.fields is None or self.positive_fields is None:
            return None
        return FieldUnits.of_cells(self.fields, np.zeros(len(self.names)), self.positive_fields)

    def tested_fields(self) -> FieldUnits | None:
        """Return the fields of the rows of the predictions; None unless these are cells."""
        if self.fields is None or self.positive_fields is None:
            return None
        index = {name: number for number, name in enumerate(self.names)}
        rows = [index[name] for name in self.predictions.images]
        return FieldUnits.of_cells(self.fields[rows], self.predictions.folds, self.positive_fields)

    def tested_groups(self, fold: int) -> set[str]:
        """Return the groups of the images that test a fold."""
        return {self.groups[index] for index in self.tested_images(fold)}


def read_run_images(run: Run) -> RunImages:
    """Return the images of a run and its out-of-fold predictions.

    Raises
    ------
    ExportError
        If the data set of the run is gone or was changed, or its predictions cannot be read, or
        are not those of the images that test each fold.
    RunError
        If the run does not say which images each fold trained on.
    ImageError
        If an image cannot be read.
    """
    if is_cell_run(run):
        return _cell_images(run)
    samples = _unchanged_samples(run)
    names, predictions, split = _image_names(run, samples)
    settings = ImageSettings.from_json(run.record["image_path"])
    return RunImages(
        images=np.stack([load_rgb(samples[name].path, settings) for name in names]),
        names=names,
        labels=tuple(samples[name].label for name in names),
        cameras=tuple(samples[name].camera for name in names),
        groups=tuple(split[name].group for name in names),
        trained_by=tuple(split[name].trained_by for name in names),
        predictions=predictions,
    )


def _cell_images(run: Run) -> RunImages:
    """Return the cells of a run in place of its images."""
    cells = read_cells(run)
    places = {name: place for place, name in enumerate(cells.names)}
    names, predictions, split = _image_names(run, places)
    order = [places[name] for name in names]
    truth = cells.truth[[places[name] for name in predictions.images]]
    if (differ := np.flatnonzero(truth != predictions.truth)).size:
        raise ExportError(
            f"the cell {predictions.images[differ[0]]!r} has another label than in the run",
            fix=TRAIN_AGAIN,
        )
    return RunImages(
        images=cells.pixels[order],
        names=names,
        labels=tuple(run.labels[index] for index in cells.truth[order]),
        cameras=tuple(cells.cameras[place] for place in order),
        groups=tuple(split[name].group for name in names),
        trained_by=tuple(split[name].trained_by for name in names),
        predictions=predictions,
        fields=np.where(counted_cells(cells), cells.field_index, NO_FIELD)[order],
        positive_fields=np.array([field.label in run.positive for field in cells.fields], bool),
        known=known_cells(cells)[order],
        cell_settings=cells.settings,
    )


def _image_names(
    run: Run, known: Collection[str]
) -> tuple[tuple[str, ...], Predictions, dict[str, SplitRow]]:
    """Return the names of all images, the predictions, and the rows of the split by image."""
    split = {row.image: row for row in run.split()}
    try:
        predictions = run.fold_predictions()
    except AlledgeError as error:
        raise ExportError(error.one_line) from None
    names = tuple(dict.fromkeys((*predictions.images, *known)))
    if missing := [name for name in names if name not in known or name not in split]:
        raise _missing_error(run, missing[0])
    expected = {(row.image, fold) for row in split.values() for fold in row.tested_by}
    actual = set(zip(predictions.images, predictions.folds.tolist(), strict=True))
    if differences := sorted(expected ^ actual):
        image, fold = differences[0]
        raise ExportError(
            f"the predictions of {run.path} are not those of its split: see {image!r}, fold {fold}",
            fix=TRAIN_AGAIN,
        )
    return names, predictions, split


def _missing_error(run: Run, name: str) -> ExportError:
    """Return the error for an image that only the run has, or only its data set."""
    if is_cell_run(run):
        return ExportError(
            f"the cells that are found now are not those of the run: see {name!r}",
            allowed="the data sets and the version of alledge that the run was trained with",
            fix=TRAIN_AGAIN,
        )
    root = run.record["data"]["root"]
    return ExportError(f"the run's image {name!r} is not under {root} any more")


def current_guards(run: Run) -> GuardsRecord | None:
    """Return the guards of a run; those of an earlier version are fitted to its images again.

    Parameters
    ----------
    run : Run

    Raises
    ------
    ExportError
        If they are of an earlier version, and the images of the run are not there any more.
    """
    guards: GuardsRecord | None = run.record.get("guards")
    if is_current(guards):
        return guards
    if is_cell_run(run):
        raise ExportError("the guards of the cell run are of an earlier alledge", fix=TRAIN_AGAIN)
    try:
        samples = _unchanged_samples(run)
        settings = ImageSettings.from_json(run.record["image_path"])
        images = [load_image(sample.path, settings) for sample in samples.values()]
    except AlledgeError as error:
        raise ExportError(
            f"the guards of the run are of an earlier alledge, and {error.what}",
            fix="put the images back, or train the run again",
        ) from None
    return fit_guards([image_statistics(*image) for image in images])


def _unchanged_samples(run: Run) -> dict[str, Sample]:
    """Return the samples of the run's data set by their relative path."""
    dataset = unchanged_dataset(run.record["data"])
    if dataset.positive != run.positive:
        raise changed_error(run.record["data"]["root"])
    return {dataset.relative(sample): sample for sample in dataset.samples}
