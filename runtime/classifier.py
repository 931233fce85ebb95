"""The classifier: a bundle and a backend, from an image to a result; thread-safe.

`data.inputs` finds the images, and `records` formats the results; nothing here prints.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import AlledgeError, BackendError, unknown_name
from .backends import AUTO, Backend, open_backend
from .bundle.bundle import Bundle, find_bundle
from .first_use import FirstUse
from .guards.guards import Guards
from .guards.image_statistics import image_statistics
from .imaging import load_image
from .machine import usable_cores, validate_threads
from .metrics.decisions import Thresholds, apply_temperature, decide
from .records import Result
from .watchdog import (
    DEFAULT_LIMIT_S,
    StepTimeoutError,
    Watchdog,
    report_progress,
    validate_limit,
)

if TYPE_CHECKING:
    from .overlay.overlay import Overlays
    from .types import RGB, ImageSource

_first_image = FirstUse()

Mode = Literal["latency", "throughput"]
MODES: tuple[Mode, ...] = ("latency", "throughput")


@dataclass(frozen=True)
class _PreparedImage:
    """An image as the model sees it, and the flags of the guards."""

    source: ImageSource
    name: str | None
    rgb: RGB
    flags: tuple[str, ...]
    seconds: float


class Classifier:
    """A bundle, loaded and ready; `Classifier.load` creates one.

    Several threads may use it. It is a context manager, which frees the engine.

    Parameters
    ----------
    bundle : Bundle
    backend : Backend
    workers : int
        Number of images of an iterable that are in work at once.
    timeout_s : float or None
        As in `Classifier.load`.

    Examples
    --------
    >>> with Classifier.load("bundles/mobilenetv2-int8") as classifier:  # doctest: +SKIP
    ...     result = classifier.classify("slide.jpg")
    ...     print(result.label, result.probability, result.flags)
    blast 0.973 ()
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
        self._watchdog = Watchdog(validate_limit(timeout_s))
        self._prediction_starts: dict[int, float] = {}  # by thread, of those that run
        self._format = bundle.formats[backend.name]
        self._thresholds = Thresholds(self._format.threshold, self._format.band)
        self._guards = Guards(bundle.record.get("guards"))

    @property
    def guarded(self) -> bool:
        """Whether images are compared with the training images of the bundle's model."""
        return self._guards.active

    @property
    def threshold(self) -> float:
        """Least probability of all positive labels together that gives a positive label."""
        return self._thresholds.threshold

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
            By default, the one that `alledge classify` uses.
        backend : str
            ``"auto"``, ``"tflite"``, ``"onnx"`` or ``"openvino"``.
        threads : int, optional
            All threads together, at most four for each logical core; by default the physical
            cores within the container's quota.
        mode : {"latency", "throughput"}
            ``latency`` gives all threads to one image. ``throughput`` gives each thread an image
            of its own, which classifies more images in the same time.
        timeout_s : float or None
            Seconds that reading an image or one prediction may take, > 0. An image that takes
            longer gives a result whose status is ``"error"``. None sets no limit.

        Returns
        -------
        Classifier

        Raises
        ------
        UsageError
            If the backend or the mode is unknown, no bundle is found, the number of threads is
            not allowed, or `timeout_s` is not positive.
        BundleError
            If the bundle cannot be read, or its artifact is not the file that was exported.
        MissingPackageError
            If the backend's package is not installed.
        BackendError
            If the engine cannot load the artifact.

        Examples
        --------
        >>> Classifier.load("bundles/mobilenetv2-int8", mode="throughput")  # doctest: +SKIP
        >>> Classifier.load(backend="onnx", threads=1, timeout_s=30)  # doctest: +SKIP
        """
        if mode not in MODES:
            raise unknown_name("mode", mode, MODES)
        if not isinstance(bundle, Bundle):
            bundle = Bundle.open(find_bundle(bundle))
        validate_limit(timeout_s)
        threads = usable_cores() if threads is None else validate_threads(threads)
        if mode == "latency":
            return cls(bundle, open_backend(bundle, backend, threads), 1, timeout_s)
        return cls(bundle, open_backend(bundle, backend, 1, threads), threads, timeout_s)

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
        """Classify one image, or many.

        Parameters
        ----------
        source : str, Path, PIL.Image.Image, (H, W, 3) or (H, W) ndarray, or an iterable of these
        overlay : str or Path, optional
            Folder for a picture of each image that shows which regions the label rests on.

        Returns
        -------
        Result, or iterator of Result
            In the order of the iterable. The iterable is read while the results are taken, so it
            may be endless; in throughput mode, a separate thread reads it. A source that cannot
            be read, or takes longer than the time limit, gives a result whose status is
            ``"error"``.

        Raises
        ------
        BackendError
            If the engine fails, was closed, or returns scores that are not finite.
        UsageError
            If no file can be written to the folder of the overlays.

        Examples
        --------
        >>> classifier.classify("slide.jpg").label  # doctest: +SKIP
        'blast'
        >>> for result in classifier.classify(["a.jpg", "missing.jpg"]):  # doctest: +SKIP
        ...     print(result.image, result.status, result.error)
        a.jpg ok None
        missing.jpg error there is no file missing.jpg; fix: check the path
        """
        overlays = None
        if overlay is not None:
            from .overlay.overlay import Overlays

            overlays = Overlays(overlay, self.bundle.image_settings.geometry)
        if isinstance(source, str | Path | Image.Image) or _is_one_array(source):
            return self._classify_one(source, overlays)  # type: ignore[arg-type]
        return self._classify_many(iter(source), overlays)  # type: ignore[arg-type]

    def close(self) -> None:
        """Free the engine."""
        self._watchdog.close()
        self.backend.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def scores(self, rgb: RGB) -> NDArray[np.float64]:
        """Return the calibrated scores of an image that `load_rgb` returned.

        Parameters
        ----------
        rgb : (S, S, 3) ndarray of uint8

        Returns
        -------
        (C,) ndarray of float64
            In the order of the bundle's labels; their sum is 1.

        Raises
        ------
        BackendError
            As `classify`.
        """
        thread = threading.get_ident()
        self._prediction_starts[thread] = time.monotonic()
        try:
            raw = self.backend.predict(rgb[np.newaxis])
        finally:
            del self._prediction_starts[thread]
        report_progress()
        if raw.shape != (1, len(self.bundle.labels)) or not np.isfinite(raw).all():
            raise BackendError(
                f"{self.backend.engine} answered {raw.tolist()}",
                allowed=f"a finite score for each of {', '.join(self.bundle.labels)}",
                fix="`alledge verify BUNDLE` shows which backends work on this machine",
            )
        calibrated: NDArray[np.float64] = apply_temperature(raw, self._format.temperature)[0]
        return calibrated

    def _classify_many(
        self, sources: Iterator[ImageSource], overlays: Overlays | None
    ) -> Iterator[Result]:
        if self._workers == 1:
            yield from (self._classify_one(source, overlays) for source in sources)
            return
        from .pipeline import in_order

        yield from in_order(
            sources,
            self._prepare,
            lambda image: self._predict(image, overlays),
            self._workers,
            self._watchdog.limit_s,
            self._timeout_result,
        )

    def _classify_one(self, source: ImageSource, overlays: Overlays | None = None) -> Result:
        def work() -> Result:
            image = self._prepare(source)
            report_progress()
            return self._predict(image, overlays)

        try:
            return self._watchdog.run(work)
        except StepTimeoutError as error:
            return self._timeout_result(source, error.step)

    def _timeout_result(self, source: ImageSource, step: int) -> Result:
        """Return the error record of an image that exceeds the time limit."""
        limit_s = self._watchdog.limit_s or 0.0
        if step == 1:
            error = f"reading the image takes longer than {limit_s:g} s"
        else:
            error = f"{self.backend.engine} does not answer within {limit_s:g} s"
        error += "; set a longer time limit (--timeout)"
        return self._error_result(_image_name(source), error, limit_s)

    def _prepare(self, source: ImageSource) -> _PreparedImage | Result:
        """Return an image as the model sees it, or the error record."""
        started = time.perf_counter()
        name = _image_name(source)
        try:
            with _first_image.alone():
                rgb, header = load_image(source, self.bundle.image_settings)
                active = self._guards.active
                flags = self._guards.flags(image_statistics(rgb, header)) if active else ()
                flags = (*header.flags, *flags)
        except AlledgeError as error:
            return self._error_result(name, error.one_line, time.perf_counter() - started)
        return _PreparedImage(source, name, rgb, flags, time.perf_counter() - started)

    def _predict(self, image: _PreparedImage | Result, overlays: Overlays | None) -> Result:
        if isinstance(image, Result):
            return image
        if self._all_requests_hang():
            error = f"{self.backend.engine} hangs since an earlier image; start alledge again"
            return self._error_result(image.name, error, image.seconds)
        started = time.perf_counter()
        scores = self.scores(image.rgb)
        labels = self.bundle.labels
        verdict = decide(scores[np.newaxis], labels, self.bundle.positive, self._thresholds)[0]
        flags = image.flags + (("indeterminate",) if verdict.indeterminate else ())
        result = Result(
            image=image.name,
            status="review" if flags else "ok",
            label=verdict.label,
            probability=verdict.probability,
            scores=dict(zip(labels, map(float, scores), strict=True)),
            threshold=self.threshold,
            flags=flags,
            bundle=self.bundle.name,
            digest=self.bundle.digest,
            backend=self.backend.name,
            ms=(image.seconds + time.perf_counter() - started) * 1000,
        )
        if overlays is not None:
            overlays.write(self, image.source, image.rgb, result)
        return result

    def _all_requests_hang(self) -> bool:
        """Return whether every request of the engine runs for longer than the time limit."""
        limit_s = self._watchdog.limit_s
        if limit_s is None or len(self._prediction_starts) < self._workers:
            return False
        latest_start_s = time.monotonic() - limit_s
        starts = list(self._prediction_starts.values())
        return sum(start_s <= latest_start_s for start_s in starts) >= self._workers

    def _error_result(self, name: str | None, error: str, seconds: float) -> Result:
        return Result(
            image=name,
            status="error",
            label=None,
            probability=None,
            scores=None,
            threshold=self.threshold,
            flags=(),
            bundle=self.bundle.name,
            digest=self.bundle.digest,
            backend=self.backend.name,
            ms=seconds * 1000,
            error=error,
        )


def _image_name(source: object) -> str | None:
    """Return the image's name in a record: the path as given, None for pixels."""
    return str(source) if isinstance(source, str | Path) else None


def _is_one_array(source: object) -> bool:
    return isinstance(source, np.ndarray) and source.ndim != 4
