"""Converts the network of each fold and scores the images that test the fold."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable
from pathlib import Path

import numpy as np

from ...errors import ExportError
from ...train.runs.run_folder import Run
from ..convert.conversion import Conversion
from ..convert.jobs import JobRunner
from ..convert.quantization_recipes import Recipe
from ..source_run import RunImages
from ..types import Images, Scores


class FoldArtifacts:
    """Converts a fold's network when its scores are first needed, and keeps the scores.

    Several threads may use it: what one of them converts, another waits for.

    Parameters
    ----------
    run : Run
    run_images : RunImages
    jobs : JobRunner
    folder : Path
        For the artifacts and intermediate results of the folds.
    precision : str
    given : (N, S, S, 3) ndarray of uint8, optional
        Calibration images that the user named, instead of each fold's training images.
    say : callable, optional
        Called with the number of given images that a fold cannot use.
    """

    def __init__(
        self,
        run: Run,
        run_images: RunImages,
        jobs: JobRunner,
        folder: Path,
        precision: str,
        given: Images | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._run, self._run_images, self._jobs, self._folder = run, run_images, jobs, folder
        self._precision, self._given, self._say = precision, given, say
        self._conversions: dict[int, Conversion] = {}
        self._scores: dict[tuple[str, Recipe, int], Scores] = {}
        self._locks: defaultdict[Hashable, threading.Lock] = defaultdict(threading.Lock)

    def scores(self, format_name: str, recipe: Recipe, fold: int) -> Scores:
        """Return the raw scores that a fold's artifact gives the images that test the fold.

        Returns
        -------
        (N, C) ndarray of float32
            In the order of `RunImages.tested_images`.

        Raises
        ------
        ExportError
            If a conversion fails, or a score is not a finite number.
        """
        key = (format_name, recipe, fold)
        with self._locks[fold]:
            conversion = self._conversion(fold)
        with self._locks[format_name, fold]:
            if key not in self._scores:
                folder = self._folder / f"fold{fold}" / "artifact"
                artifact, _ = conversion.artifact(format_name, self._precision, recipe, folder)
                images = self._run_images.images[self._run_images.tested_images(fold)]
                self._scores[key] = conversion.scores(format_name, artifact, images)
        if not np.isfinite(self._scores[key]).all():
            raise ExportError(
                f"fold {fold}: {format_name} gives scores that are not finite numbers"
            )
        return self._scores[key]

    def calibration_images(self, fold: int) -> Images:
        """Return the calibration images of a fold; none is related to an image that tests it.

        Raises
        ------
        ExportError
            If every image that the user named shares a group with an image that tests this fold.
        """
        if self._given is None:
            return self._run_images.calibration_images(fold).images
        tested = self._run_images.tested_groups(fold)
        related = {
            image.tobytes()
            for image, group in zip(self._run_images.images, self._run_images.groups, strict=True)
            if group in tested
        }
        usable = [image for image in self._given if image.tobytes() not in related]
        if not usable:
            raise ExportError(
                f"every calibration image tests fold {fold}",
                fix="--calibration with other images, or leave the option out",
            )
        if excluded := len(self._given) - len(usable):
            self._say(
                f"fold {fold}: {excluded} calibration images left out because they test this fold"
            )
        return np.stack(usable)

    def _conversion(self, fold: int) -> Conversion:
        if fold not in self._conversions:
            self._conversions[fold] = Conversion(
                self._jobs,
                self._run.fold_model_path(fold),
                self._folder / f"fold{fold}",
                f"fold {fold} of {len(self._run.fold_numbers)}",
                self.calibration_images(fold),
            )
        return self._conversions[fold]
