"""The networks of a run's folds, converted by any recipe and scored on what they have not seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import ExportError
from ...train.runs.run_folder import Run
from ..convert.conversion import Conversion
from ..convert.jobs import Jobs
from ..convert.quantization_recipes import Recipe
from ..source_run import RunImages

Images = NDArray[np.uint8]
Scores = NDArray[np.float32]


class FoldArtifacts:
    """Converts a fold's network when its scores are first asked for, and keeps them.

    Parameters
    ----------
    run : Run
    material : RunImages
    jobs : Jobs
    folder : Path
        For the folds' artifacts and half-way results.
    precision : str
    calibration : (N, S, S, 3) ndarray of uint8, optional
        Instead of each fold's training part; images that test a fold are left out for it.
    say : callable, optional
        Called with how many were left out.
    """

    def __init__(
        self,
        run: Run,
        material: RunImages,
        jobs: Jobs,
        folder: Path,
        precision: str,
        calibration: Images | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._run, self._material, self._jobs, self._folder = run, material, jobs, folder
        self._precision, self._given, self._say = precision, calibration, say
        self._conversions: dict[int, Conversion] = {}
        self._made: dict[tuple[str, Recipe, int], Scores] = {}

    def scores(self, form: str, recipe: Recipe, fold: int) -> Scores:
        """Return what a fold's artifact says of that fold's images, raw, (N, C).

        Raises
        ------
        ExportError
            If a conversion fails, or a score is no finite number.
        """
        key = (form, recipe, fold)
        if key not in self._made:
            made = self._conversion(fold)
            folder = self._folder / f"fold{fold}" / "artifact"
            artifact, _ = made.artifact(form, self._precision, recipe, folder)
            images = self._material.images[self._material.held_out(fold)]
            self._made[key] = made.scores(form, artifact, images)
        if not np.isfinite(self._made[key]).all():
            raise ExportError(f"fold {fold}: {form} gives scores that are no finite numbers")
        return self._made[key]

    def _conversion(self, fold: int) -> Conversion:
        if fold not in self._conversions:
            self._conversions[fold] = Conversion(
                self._jobs,
                self._run.fold_model_path(fold),
                self._folder / f"fold{fold}",
                f"fold {fold} of {len(self._run.fold_numbers)}",
                self.calibration(fold),
            )
        return self._conversions[fold]

    def calibration(self, fold: int) -> Images:
        """Return the calibration images of a fold: none of them tests it.

        Raises
        ------
        ExportError
            If every image that was named for calibration tests this fold.
        """
        if self._given is None:
            return self._material.training_part(fold)
        tests = {image.tobytes() for image in self._material.images[self._material.held_out(fold)]}
        kept = [image for image in self._given if image.tobytes() not in tests]
        if not kept:
            raise ExportError(
                f"every calibration image tests fold {fold}",
                fix="--calibration with other images, or leave it out",
            )
        if len(kept) < len(self._given):
            left = len(self._given) - len(kept)
            self._say(f"fold {fold}: {left} calibration images left out, they test this fold")
        return np.stack(kept)
