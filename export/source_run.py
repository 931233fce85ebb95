"""The images of a finished run, where its data set is still unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import AlledgeError, ExportError
from ..runtime.data.datasets import Sample, read_dataset
from ..runtime.data.layout_types import ReadOptions
from ..runtime.guards.fitting import fit_guards
from ..runtime.guards.guards import is_current
from ..runtime.guards.image_statistics import image_statistics
from ..runtime.image_settings import ImageSettings
from ..runtime.imaging import load_image, load_rgb
from ..runtime.types import GuardsRecord
from ..train.runs.run_folder import TRAIN_AGAIN, Predictions, Run
from .convert.calibration_images import CalibrationImages, choose_balanced
from .types import Images, Indices


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
    """

    images: Images
    names: tuple[str, ...]
    labels: tuple[str, ...]
    cameras: tuple[str, ...]
    groups: tuple[str, ...]
    trained_by: tuple[frozenset[int], ...]
    predictions: Predictions

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
            are. None of them shares a group with an image that tests the fold.
        """
        usable = list(range(len(self.names)))
        if fold is not None:
            tested = self.tested_groups(fold)
            usable = [
                index
                for index in usable
                if fold in self.trained_by[index] and self.groups[index] not in tested
            ]
        chosen = choose_balanced(
            usable,
            lambda index: self.names[index],
            lambda index: (self.labels[index], self.cameras[index]),
        )
        return CalibrationImages(
            self.images[chosen],
            tuple(self.labels[index] for index in chosen),
            tuple(self.cameras[index] for index in chosen),
        )

    def tested_images(self, fold: int) -> Indices:
        """Return the indices of the images that test a fold, in the order of the predictions."""
        index = {name: number for number, name in enumerate(self.names)}
        rows = np.flatnonzero(self.predictions.folds == fold)
        return np.array([index[self.predictions.images[row]] for row in rows], dtype=np.int64)

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
    samples = _unchanged_samples(run)
    split = {row.image: row for row in run.split()}
    try:
        predictions = run.fold_predictions()
    except AlledgeError as error:
        raise ExportError(error.one_line) from None
    names = tuple(dict.fromkeys((*predictions.images, *samples)))
    if missing := [name for name in names if name not in samples or name not in split]:
        root = run.record["data"]["root"]
        raise ExportError(f"the run's image {missing[0]!r} is not under {root} any more")
    expected = {(row.image, fold) for row in split.values() for fold in row.tested_by}
    actual = set(zip(predictions.images, predictions.folds.tolist(), strict=True))
    if differences := sorted(expected ^ actual):
        image, fold = differences[0]
        raise ExportError(
            f"the predictions of {run.path} are not those of its split: see {image!r}, fold {fold}",
            fix=TRAIN_AGAIN,
        )
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
    data = run.record["data"]
    root = data.get("root")
    if not root:
        raise ExportError("the run names no data")
    if not Path(root).is_dir():
        raise ExportError(f"the run's data is not at {root} any more")
    try:
        dataset = read_dataset(root, ReadOptions.from_record(data))
    except AlledgeError as error:
        raise ExportError(error.one_line) from None
    if dataset.fingerprint() != data["fingerprint"] or dataset.positive != tuple(run.positive):
        raise ExportError(f"the images under {root} are not those of the run any more")
    return {dataset.relative(sample): sample for sample in dataset.samples}
