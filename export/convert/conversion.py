"""Converts one network and scores images with it; worker processes do the steps."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...runtime.files import replace_file
from ..types import ConversionResult, Images, Scores
from .bias_correction import BIASES
from .capabilities import ARTIFACTS
from .jobs import JobRunner
from .onnx_int8 import FLOAT as FLOAT_ONNX
from .quantization_recipes import Recipe
from .tflite import FLOAT as FLOAT_TFLITE

INTEGER = ("int8", "dynamic")  # precisions whose kernels round differently across engines
WITHOUT_XNNPACK = "without XNNPACK"


class Conversion:
    """Converts one trained network to any format, precision and recipe.

    Intermediate results, such as the float graphs, are computed once and kept in `folder`. Several
    threads may ask for artifacts: what one of them converts, another waits for.

    Parameters
    ----------
    jobs : JobRunner
    model : Path
        The ``model.keras`` of the network.
    folder : Path
        Created, for intermediate results.
    title : str
        The beginning of the title of every step.
    calibration : (N, S, S, 3) ndarray of uint8, optional
        Needed for int8.
    labels : sequence of str
        Written into the artifacts.
    name : str
        Name of the bundle, written into the artifacts.
    """

    def __init__(
        self,
        jobs: JobRunner,
        model: Path,
        folder: Path,
        title: str,
        calibration: Images | None = None,
        labels: tuple[str, ...] = (),
        name: str = "alledge",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._jobs, self._model, self._folder, self._title = jobs, model, folder, title
        self._labels, self._name = labels, name
        self._calibration: Path | None = None
        if calibration is not None:
            self.calibrate_on(calibration)
        self._lock, self._locks = threading.Lock(), dict[Path, threading.Lock]()
        # what each file was last converted by, and the result
        self._results: dict[Path, tuple[str, Recipe, ConversionResult]] = {}

    def calibrate_on(self, images: Images) -> None:
        """Take the calibration images, before the first int8 artifact is asked for."""
        self._calibration = self._folder / "calibration.npy"
        with replace_file(self._calibration) as partial, partial.open("wb") as stream:
            np.save(stream, images)

    def _lock_of(self, out: Path) -> threading.Lock:
        """Return the lock of a file, which only one thread makes."""
        with self._lock:
            return self._locks.setdefault(out, threading.Lock())

    def artifact(
        self, format_name: str, precision: str, recipe: Recipe, folder: Path
    ) -> tuple[Path, ConversionResult]:
        """Convert into a folder, unless it holds this artifact already.

        Parameters
        ----------
        format_name : str
        precision : str
        recipe : Recipe
        folder : Path
            Created if missing. The artifact has the same file name as in a bundle.

        Returns
        -------
        Path, ConversionResult
            The artifact, and the result of the step that made it.

        Raises
        ------
        ExportError
            If a step fails.
        """
        out = folder / ARTIFACTS[format_name]
        with self._lock_of(out):
            *latest, result = self._results.get(out, (None, None, None))
            if latest != [precision, recipe] or result is None:
                folder.mkdir(parents=True, exist_ok=True)
                result = self._convert(format_name, precision, recipe, out)
                self._results[out] = (precision, recipe, result)
        return out, result

    def _convert(
        self, format_name: str, precision: str, recipe: Recipe, out: Path
    ) -> ConversionResult:
        source: Path | None = None
        if format_name != "tflite":
            source = self._float_onnx()
            with self._lock_of(self._folder / BIASES):
                pass  # a step that corrects the biases keeps what this one would measure again
        elif precision in ("float32", "int8"):
            source = self.float_tflite()
        row = self._jobs.run(
            f"{self._title}: {format_name} {precision}",
            format_name,
            precision=precision,
            recipe=recipe.to_json(),
            model=self._model,
            source=source,
            sources=self._folder,
            calibration=self._calibration if precision == "int8" else None,
            biases=self.corrected_biases()
            if format_name == "tflite" and recipe.correction
            else None,
            labels=list(self._labels),
            name=self._name,
            out=out,
        )
        return cast(ConversionResult, row)

    def float_tflite(self) -> Path:
        """Return the float32 TFLite graph, the source of the ONNX and OpenVINO graphs."""
        out = self._folder / FLOAT_TFLITE
        with self._lock_of(out):
            if not out.is_file():
                self._jobs.run(
                    f"{self._title}: float graph",
                    "tflite",
                    precision="float32",
                    recipe=Recipe().to_json(),
                    model=self._model,
                    sources=self._folder,
                    name=self._name,
                    out=out,
                )
        return out

    def _float_onnx(self) -> Path:
        """Return the float32 ONNX graph."""
        source, out = self.float_tflite(), self._folder / FLOAT_ONNX
        with self._lock_of(out):
            if not out.is_file():
                self._jobs.run(f"{self._title}: ONNX graph", "float onnx", source=source, out=out)
        return out

    def corrected_biases(self) -> Path:
        """Return the corrected biases of the network, for TFLite.

        The step also measures for ONNX and OpenVINO what the float graph computes.
        """
        source, out = self._float_onnx(), self._folder / BIASES
        with self._lock_of(out):
            if not out.is_file():
                self._jobs.run(
                    f"{self._title}: corrected biases",
                    "biases",
                    source=source,
                    sources=self._folder,
                    calibration=self._calibration,
                    out=out,
                )
        return out

    def float_scores(self, images: Images) -> Scores:
        """Return the raw scores of the float model, computed by Keras, (N, C)."""
        return self._score(images, f"{self._title}: float scores", "score", model=self._model)

    def scores(self, format_name: str, artifact: Path, images: Images) -> Scores:
        """Return the raw scores of an artifact on this machine, (N, C)."""
        title = f"{self._title}: {format_name} scores"
        return self._score(images, title, "run", format=format_name, artifact=artifact)

    def variants(
        self, format_name: str, precision: str, artifact: Path, images: Images
    ) -> dict[str, Scores]:
        """Return the scores by other kernels that a device may have, by the name of the kernels."""
        if format_name != "tflite" or precision not in INTEGER:
            return {}  # float sums in another order differ by 1e-5 only
        title = f"{self._title}: {format_name} scores {WITHOUT_XNNPACK}"
        return {
            WITHOUT_XNNPACK: self._score(images, title, "run without xnnpack", artifact=artifact)
        }

    def _score(self, images: Images, title: str, step: str, **job: Any) -> Scores:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            images_file, scores_file = Path(folder) / "images.npy", Path(folder) / "scores.npy"
            np.save(images_file, images)
            self._jobs.run(title, step, images=images_file, out=scores_file, **job)
            scores: Scores = np.load(scores_file)
        return scores
