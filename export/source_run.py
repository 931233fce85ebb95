"""What an export starts from: a finished run, and its images where they are what they were."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AlledgeError
from ..runtime.data.datasets import read_dataset
from ..runtime.image_settings import ImageSettings
from ..runtime.imaging import load_rgb
from ..runtime.metrics.decisions import Thresholds
from ..train.runs.run_folder import Predictions, Run
from .convert.calibration_images import choose

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class DecisionRule:
    """How a model's scores are read: temperature, then threshold and band.

    Parameters
    ----------
    temperature : float
    decision : Thresholds
    """

    temperature: float
    decision: Thresholds

    @classmethod
    def of_run(cls, run: Run) -> DecisionRule:
        """Return how the float model's scores are read."""
        low, high = run.record["band"]
        return cls(run.record["temperature"], Thresholds(run.record["threshold"], (low, high)))


@dataclass(frozen=True)
class RunImages:
    """A run's images, and what was predicted of them out of fold.

    Parameters
    ----------
    images : (N, S, S, 3) ndarray of uint8
        First those that were predicted out of fold, then those that were always trained on.
    predictions : Predictions
        Of the former, in the same order.
    names, labels, cameras : tuple of str
        Of each image.
    """

    images: Images
    predictions: Predictions
    names: tuple[str, ...]
    labels: tuple[str, ...]
    cameras: tuple[str, ...]

    def training_part(self, fold: int | None = None) -> Images:
        """Return the calibration images: of all, or of those a fold was trained on.

        Parameters
        ----------
        fold : int, optional
            None for the network refitted on all images.
        """
        held_out = set() if fold is None else set(np.flatnonzero(self.predictions.folds == fold))
        usable = [index for index in range(len(self.images)) if index not in held_out]
        chosen = choose(
            usable,
            lambda index: self.names[index],
            lambda index: (self.labels[index], self.cameras[index]),
        )
        return self.images[chosen]

    def held_out(self, fold: int) -> NDArray[np.int64]:
        """Return the indices of the images that test a fold."""
        return np.flatnonzero(self.predictions.folds == fold)


def read_run_images(run: Run) -> RunImages | str:
    """Return a run's images, or why they cannot be had.

    Parameters
    ----------
    run : Run

    Returns
    -------
    Material or str
        A reason where the data is gone, was changed, or the run has no out-of-fold predictions.
    """
    data: dict[str, Any] = run.record["data"]
    root = data.get("root")
    if not root or not Path(root).is_dir():
        return f"the run's data is not at {root} any more" if root else "the run names no data"
    try:
        found = read_dataset(root, data.get("layout"))
        if found.fingerprint() != data["fingerprint"]:
            return f"the images under {root} are not those of the run any more"
        predictions = run.fold_predictions()
        samples = {found.relative(sample): sample for sample in found.samples}
        predicted = set(predictions.images)
        names = (*predictions.images, *(name for name in samples if name not in predicted))
        chosen = [samples[name] for name in names]
    except KeyError as error:
        return f"the run's image {error} is not under {root} any more"
    except AlledgeError as error:
        return error.one_line
    settings = ImageSettings.from_json(run.record["image_path"])
    images = np.stack([load_rgb(sample.path, settings) for sample in chosen])
    return RunImages(
        images,
        predictions,
        tuple(names),
        tuple(sample.label for sample in chosen),
        tuple(sample.camera for sample in chosen),
    )
