"""One model, converted and scored: the steps from ``model.keras`` to an artifact.

Every step is a process of its own; no converter is loaded here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .capabilities import ARTIFACTS
from .jobs import Jobs
from .onnx import FLOAT as FLOAT_ONNX
from .quantization_recipes import Recipe
from .worker import FLOAT_TFLITE

Json = dict[str, Any]
Images = NDArray[np.uint8]
Scores = NDArray[np.float32]
INTEGER = ("int8", "dynamic")  # whose kernels round, and not everywhere alike
WITHOUT_XNNPACK = "without XNNPACK"


class Conversion:
    """Converts one trained network as often as is wanted, making half-way results once.

    Parameters
    ----------
    jobs : Jobs
    model : Path
        Its ``model.keras``.
    folder : Path
        For half-way results; it is made.
    title : str
        What the steps' titles begin with.
    calibration : (N, S, S, 3) ndarray of uint8, optional
        Needed for int8.
    labels : sequence of str
        Written into the artifacts.
    name : str
        Of the bundle, written into the artifacts.
    """

    def __init__(
        self,
        jobs: Jobs,
        model: Path,
        folder: Path,
        title: str,
        calibration: Images | None = None,
        labels: tuple[str, ...] = (),
        name: str = "alledge",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._jobs, self._model, self._folder, self._title = jobs, model, folder, title
        self._labels, self._name, self._calibration = labels, name, None
        if calibration is not None:
            self._calibration = folder / "calibration.npy"
            np.save(self._calibration, calibration)

    def artifact(
        self, form: str, precision: str, recipe: Recipe, folder: Path
    ) -> tuple[Path, Json]:
        """Convert into a folder.

        Parameters
        ----------
        form : str
            A format.
        precision : str
        recipe : Recipe
        folder : Path
            It is made; the artifact has the name it has in a bundle.

        Returns
        -------
        Path, dict
            The artifact, and what its step says: ``produced_by``, ``left_in_float``, ``seconds``,
            ``peak_mib``.

        Raises
        ------
        ExportError
            If a step fails.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if form != "tflite":
            self._float_onnx()
        out = folder / ARTIFACTS[form]
        said = self._jobs.run(
            f"{self._title}: {form} {precision}",
            form,
            precision=precision,
            recipe=recipe.to_json(),
            model=self._model,
            sources=self._folder,
            calibration=self._calibration if precision == "int8" else None,
            labels=list(self._labels),
            name=self._name,
            out=out,
        )
        return out, said

    def float_tflite(self) -> Path:
        """Return the float32 TFLite graph, which ONNX and OpenVINO are made from."""
        out = self._folder / FLOAT_TFLITE
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

    def _float_onnx(self) -> None:
        self.float_tflite()
        if not (self._folder / FLOAT_ONNX).is_file():
            self._jobs.run(f"{self._title}: ONNX graph", "float onnx", sources=self._folder)

    def float_scores(self, images: Images) -> Scores:
        """Return the float model's own scores, by Keras, (N, C)."""
        return self._scored(images, f"{self._title}: float scores", "score", model=self._model)

    def scores(self, form: str, artifact: Path, images: Images) -> Scores:
        """Return an artifact's scores on this machine, raw, (N, C)."""
        title = f"{self._title}: {form} scores"
        return self._scored(images, title, "run", format=form, artifact=artifact)

    def variants(
        self, form: str, precision: str, artifact: Path, images: Images
    ) -> dict[str, Scores]:
        """Return the same of the other kernels that a device may compute with, by their name."""
        if form != "tflite" or precision not in INTEGER:
            return {}  # float sums in another order differ by 1e-5
        title = f"{self._title}: {form} scores {WITHOUT_XNNPACK}"
        return {WITHOUT_XNNPACK: self._scored(images, title, "run bare", artifact=artifact)}

    def _scored(self, images: Images, title: str, step: str, **job: Any) -> Scores:
        given, found = self._folder / "images.npy", self._folder / "scores.npy"
        np.save(given, images)
        self._jobs.run(title, step, images=given, out=found, **job)
        scores: Scores = np.load(found)
        return scores
