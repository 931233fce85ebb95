"""The classifier: a bundle and a backend, from an image to an answer; thread-safe.

Reading inputs and writing records are `inputs` and `records`; nothing here prints.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import AlledgeError, BackendError, unknown_name
from .backends import AUTO, Backend, open_backend
from .bundle.bundle import Bundle, find_bundle
from .first_use import FirstUse
from .guards.guards import Guards, image_statistics
from .imaging import load_image
from .machine import usable_cores
from .metrics.decisions import Thresholds, apply_temperature, decide
from .records import Result
from .types import RGB, ImageSource
from .watchdog import (
    DEFAULT_LIMIT_S,
    StepTimeoutError,
    Watchdog,
    checked_limit,
    report_progress,
)

if TYPE_CHECKING:
    from .overlay.overlay import Overlays

_first_image = FirstUse()

Mode = Literal["latency", "throughput"]
MODES: tuple[Mode, ...] = ("latency", "throughput")


@dataclass(frozen=True)
class _Seen:
    """An image as the model sees it, and what the guards say of it."""

    source: ImageSource
    name: str | None
    rgb: RGB
    flags: tuple[str, ...]
    seconds: float


class Classifier:
    """A bundle, loaded and ready; use `Classifier.load`.

    It may be used from several threads, and as a context manager, which frees the engine.

    Parameters
    ----------
    bundle : Bundle
    backend : Backend
    workers : int
        Images of an iterable that are worked on at once.
    timeout_s : float or None
        As in `Classifier.load`.
    """

    def __init__(
        self,
        bundle: Bundle,
        backend: Backend,
        workers: int = 1,
        timeout_s: float | None = DEFAULT_LIMIT_S,
    ) -> None:
        self.bundle, self.backend = bundle, backend
        self._workers = workers
        self._watchdog = Watchdog(checked_limit(timeout_s))
        self._hanging_predictions = 0  # each occupies one of the engine's requests for good
        self._format = bundle.formats[backend.name]
        self._decision = Thresholds(self._format.threshold, self._format.band)
        self._guards = Guards(bundle.record.get("guards"))

    @property
    def guarded(self) -> bool:
        """Whether images are held against what the bundle's model was trained on."""
        return self._guards.active

    @property
    def threshold(self) -> float:
        """Probability of any positive label from which on an image is given one."""
        return self._decision.threshold

    @classmethod
    def load(
        cls,
        bundle: str | Path | Bundle | None = None,
        backend: str = AUTO,
        threads: int | None = None,
        mode: Mode = "latency",
        timeout_s: float | None = DEFAULT_LIMIT_S,
    ) -> Classifier:
        """Open a bundle, check the artifact's hash and load it.

        Parameters
        ----------
        bundle : str, Path or Bundle, optional
            Where not given, found as `alledge classify` finds it.
        backend : str
            ``"auto"``, ``"tflite"``, ``"onnx"`` or ``"openvino"``.
        threads : int, optional
            All that it may use; by default the physical cores within the container's quota.
        mode : {"latency", "throughput"}
            ``latency`` gives all threads to one image; ``throughput`` gives each thread an image
            of its own, which answers more of them in the same time.
        timeout_s : float or None
            Seconds that reading an image or one prediction may take, > 0. An image that takes
            longer gives a result whose status is ``"error"``. None sets no limit.

        Returns
        -------
        Classifier

        Raises
        ------
        UsageError
            If there is no such backend or mode, no bundle to be found, or `timeout_s` is not
            positive.
        BundleError
            If the bundle cannot be read, or its artifact is not the file that was exported.
        MissingPackageError
            If the backend's package is not installed.
        BackendError
            If the engine cannot load the artifact.
        """
        if mode not in MODES:
            raise unknown_name("mode", mode, MODES)
        if not isinstance(bundle, Bundle):
            bundle = Bundle.open(find_bundle(bundle))
        checked_limit(timeout_s)
        threads = usable_cores() if threads is None else threads
        if mode == "latency":
            return cls(bundle, open_backend(bundle, backend, threads), 1, timeout_s)
        workers = max(threads, 1)
        return cls(bundle, open_backend(bundle, backend, 1, workers), workers, timeout_s)

    @overload
    def classify(  # type: ignore[overload-overlap]
        self, source: ImageSource, overlay: str | Path | None = None
    ) -> Result: ...
    @overload
    def classify(
        self, source: Iterable[ImageSource], overlay: str | Path | None = None
    ) -> Iterator[Result]: ...

    def classify(
        self, source: ImageSource | Iterable[ImageSource], overlay: str | Path | None = None
    ) -> Result | Iterator[Result]:
        """Answer one image, or many.

        Parameters
        ----------
        source : str, Path, PIL.Image.Image, (H, W, 3) ndarray of uint8, or an iterable of these
        overlay : str or Path, optional
            Folder to write a picture for each image into: which regions carried the answer.

        Returns
        -------
        Result, or iterator of Result
            In the order of the iterable, which is read as answers are taken: it may be endless.
            In throughput mode, a separate thread reads it. A source that cannot be read, or takes
            longer than the time limit, gives a result whose status is ``"error"``.

        Raises
        ------
        BackendError
            If the engine fails, was closed, or answers what is no score.
        UsageError
            If the folder of the overlays cannot be written to.
        """
        overlays = None
        if overlay is not None:
            from .overlay.overlay import Overlays

            overlays = Overlays(overlay, self.bundle.image_settings.geometry)
        if isinstance(source, str | Path | Image.Image) or _is_one_array(source):
            return self._answer(source, overlays)  # type: ignore[arg-type]
        return self._answers(iter(source), overlays)  # type: ignore[arg-type]

    def close(self) -> None:
        """Free the engine."""
        self._watchdog.close()
        self.backend.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def scores(self, rgb: RGB) -> NDArray[np.float64]:
        """Return the calibrated scores of what `load_rgb` returned.

        Parameters
        ----------
        rgb : (S, S, 3) ndarray of uint8

        Returns
        -------
        (C,) ndarray of float64
        """
        raw = self.backend.predict(rgb[np.newaxis])
        report_progress()
        if raw.shape != (1, len(self.bundle.labels)) or not np.isfinite(raw).all():
            raise BackendError(
                f"{self.backend.engine} answered {raw.tolist()}",
                allowed=f"a finite score for each of {', '.join(self.bundle.labels)}",
                fix="alledge verify BUNDLE tells which backends work on this machine",
            )
        calibrated: NDArray[np.float64] = apply_temperature(raw, self._format.temperature)[0]
        return calibrated

    def _answers(
        self, sources: Iterator[ImageSource], overlays: Overlays | None
    ) -> Iterator[Result]:
        if self._workers == 1:
            yield from (self._answer(source, overlays) for source in sources)
            return
        from .pipeline import in_order

        yield from in_order(
            sources,
            self._look,
            lambda seen: self._judge(seen, overlays),
            self._workers,
            self._watchdog.limit_s,
            self._late,
        )

    def _answer(self, source: ImageSource, overlays: Overlays | None = None) -> Result:
        def work() -> Result:
            seen = self._look(source)
            report_progress()
            return self._judge(seen, overlays)

        try:
            return self._watchdog.run(work)
        except StepTimeoutError as error:
            return self._late(source, error.step)

    def _late(self, source: ImageSource, step: int) -> Result:
        """Return the error record of an image that exceeds the time limit."""
        limit_s = self._watchdog.limit_s or 0.0
        if step == 1:
            why = f"reading the image takes longer than {limit_s:g} s"
        else:
            self._hanging_predictions += 1
            why = f"{self.backend.engine} does not answer within {limit_s:g} s"
        return self._failed(_name(source), f"{why}; set a longer time limit (--timeout)", limit_s)

    def _look(self, source: ImageSource) -> _Seen | Result:
        """Return what the model sees of a source, or why it cannot be read."""
        started = time.perf_counter()
        try:
            with _first_image.alone():
                rgb, header = load_image(source, self.bundle.image_settings)
                flags = (
                    self._guards.flags(image_statistics(rgb, header)) if self._guards.active else ()
                )
        except AlledgeError as error:
            return self._failed(_name(source), error.one_line, time.perf_counter() - started)
        return _Seen(source, _name(source), rgb, flags, time.perf_counter() - started)

    def _judge(self, seen: _Seen | Result, overlays: Overlays | None) -> Result:
        if isinstance(seen, Result):
            return seen
        if self._hanging_predictions >= self._workers:
            why = f"{self.backend.engine} hangs since an earlier image; start alledge again"
            return self._failed(seen.name, why, seen.seconds)
        started = time.perf_counter()
        scores = self.scores(seen.rgb)
        labels = self.bundle.labels
        verdict = decide(scores[np.newaxis], labels, self.bundle.positive, self._decision)[0]
        flags = seen.flags + (("indeterminate",) if verdict.indeterminate else ())
        result = Result(
            image=seen.name,
            status="review" if flags else "ok",
            label=verdict.label,
            probability=verdict.probability,
            scores=dict(zip(labels, map(float, scores), strict=True)),
            threshold=self._decision.threshold,
            flags=flags,
            bundle=self.bundle.name,
            digest=self.bundle.digest,
            backend=self.backend.name,
            ms=(seen.seconds + time.perf_counter() - started) * 1000,
        )
        if overlays is not None:
            overlays.write(self, seen.source, seen.rgb, result)
        return result

    def _failed(self, name: str | None, why: str, seconds: float) -> Result:
        return Result(
            image=name,
            status="error",
            label=None,
            probability=None,
            scores=None,
            threshold=self._decision.threshold,
            flags=(),
            bundle=self.bundle.name,
            digest=self.bundle.digest,
            backend=self.backend.name,
            ms=seconds * 1000,
            error=why,
        )


def _name(source: object) -> str | None:
    """Return how a record names its image: the path as given; None where pixels were given."""
    return str(source) if isinstance(source, str | Path) else None


def _is_one_array(source: object) -> bool:
    return isinstance(source, np.ndarray) and source.ndim != 4
