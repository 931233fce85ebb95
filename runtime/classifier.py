"""The classifier: a bundle and a backend, from an image to a result; thread-safe.

`data.inputs` finds the images, and `records` formats the results; nothing here prints.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError, unknown_name
from .backends import AUTO, Backend, open_backend
from .bundle.bundle import Bundle
from .bundle.finding import open_bundle
from .cells.types import TAKEN_AS, TakenAs
from .engine_scores import EngineScores
from .ensemble import Identity, MeanScores, check_members, common_backend, mean_rule
from .image_judge import ImageJudge
from .image_preparation import ImagePreparation, PreparedImage, image_name
from .imaging import is_one_image
from .machine import usable_cores, validate_threads
from .records import Result
from .watchdog import (
    DEFAULT_LIMIT_S,
    StepTimeoutError,
    Watchdog,
    report_progress,
    validate_limit,
)

if TYPE_CHECKING:
    from .cells.cell_task import CellTask
    from .overlay.pictures import Pictures
    from .sites.profile import SiteProfile
    from .types import RGB, ImageSource

Mode = Literal["latency", "throughput"]
MODES: tuple[Mode, ...] = ("latency", "throughput")


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
    crop_workers : int
        Number of cells of one field that are in work at once.
    features : bool
        Whether each result has its features; `backend` was then opened with them.
    site : SiteProfile, optional
        Of this bundle. If it has a refitted last layer, `backend` is of its format and was opened
        with features.
    previews : bool
        Whether each result has a preview of its image.
    measurements : bool
        Whether each result has what the guards compare.
    others : sequence of (Bundle, Backend)
        Models that answer together with this one, as `check_members` allows.

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
        *,
        crop_workers: int = 1,
        features: bool = False,
        site: SiteProfile | None = None,
        previews: bool = False,
        measurements: bool = False,
        others: Sequence[tuple[Bundle, Backend]] = (),
    ) -> None:
        self.bundle, self.backend, self.site = bundle, backend, site
        self.identity = Identity.of_bundles([bundle, *(row for row, _ in others)])
        self._others = tuple(others)
        self._workers, self._crop_workers = workers, crop_workers
        self._watchdog = Watchdog(validate_limit(timeout_s))
        self._features = features
        artifact, layer = bundle.formats[backend.name], None
        if site is not None and site.head is not None:
            head, layer = site.head, site.head.layer
            artifact = replace(
                artifact,
                temperature=head.temperature,
                threshold=head.threshold,
                band=head.band,
            )
        scores = EngineScores(
            backend, bundle.labels, artifact.temperature, features=features, last_layer=layer
        )
        self._scores: EngineScores | MeanScores = scores
        if others:
            formats = [(row, engine, row.formats[engine.name]) for row, engine in others]
            more = [
                EngineScores(engine, row.labels, own.temperature) for row, engine, own in formats
            ]
            self._scores = MeanScores([scores, *more])
            artifact = mean_rule([artifact, *(own for _, _, own in formats)])
        self._judge = ImageJudge(bundle, artifact, site, self.identity)
        self._preparation = ImagePreparation(
            bundle.image_settings, self._judge, previews, measurements
        )
        self._without_pictures: dict[int, Result] = {}  # while they are drawn, by source

    @property
    def guarded(self) -> bool:
        """Whether images are compared with the training images of the bundle's model."""
        return self._judge.guarded

    @property
    def threshold(self) -> float:
        """Least probability of all positive labels together that gives a positive label.

        That of a field, also for a bundle of cells.
        """
        return self._judge.threshold

    @classmethod
    def load(
        cls,
        bundle: str | Path | Bundle | None = None,
        backend: str = AUTO,
        threads: int | None = None,
        mode: Mode = "latency",
        timeout_s: float | None = DEFAULT_LIMIT_S,
        *,
        features: bool = False,
        site: SiteProfile | None = None,
        previews: bool = False,
        measurements: bool = False,
        others: Sequence[str | Path | Bundle] = (),
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
            ``latency`` gives all threads to one image; of a cell bundle, each thread gets cells of
            its own. ``throughput`` gives each thread an image of its own, which classifies more
            images in the same time.
        timeout_s : float or None
            Seconds that reading an image or one prediction may take, > 0. An image that takes
            longer gives a result whose status is ``"error"``. None sets no limit.
        features : bool
            Give each result the features under the model's last dense layer, `Result.features`.
        site : SiteProfile, optional
            From `open_site`: the profile of the microscope. With a refitted last layer, ``"auto"``
            is the backend that it was fitted with.
        previews : bool
            Give each result a preview of its image, `Result.preview`.
        measurements : bool
            Give each result what the guards compare, `Result.measurements`: light, stain and
            sharpness of the field, and the header of its file.
        others : sequence of str, Path or Bundle
            Bundles that answer together with `bundle`: the mean of their calibrated scores, with
            the mean of their thresholds. Detection, guards and the rule of fields are those of
            `bundle`.

        Returns
        -------
        Classifier

        Raises
        ------
        UsageError
            If the backend or the mode is unknown, no bundle is found, the number of threads is
            not allowed, `timeout_s` is not positive, the bundle gives no features, or bundles
            cannot answer together, as `check_members` and `common_backend`.
        SiteError
            If the site profile belongs to another bundle, or was adopted with another backend.
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
            bundle = open_bundle(bundle)
        validate_limit(timeout_s)
        threads = usable_cores() if threads is None else validate_threads(threads)
        workers, crop_workers, requests = threads, 1, threads
        if mode == "latency":
            workers, crop_workers = 1, threads if bundle.task == "cell" else 1
            requests = crop_workers
        engine_threads = threads if requests == 1 else 1
        needs_features = features or (site is not None and site.head is not None)
        if others and needs_features:
            raise UsageError(
                "features and adopted layers are those of one bundle",
                fix="name one bundle, or leave --site out",
            )
        members = [row if isinstance(row, Bundle) else open_bundle(row) for row in others]
        check_members([bundle, *members])
        if site is not None:
            backend = site.check_use(bundle, backend)
        if members:
            backend = common_backend([bundle, *members], backend)
        engine = open_backend(bundle, backend, engine_threads, requests, features=needs_features)
        return cls(
            bundle,
            engine,
            workers,
            timeout_s,
            crop_workers=crop_workers,
            features=features,
            site=site,
            previews=previews,
            measurements=measurements,
            others=[
                (row, open_backend(row, engine.name, engine_threads, requests)) for row in members
            ],
        )

    @overload
    def classify(  # type: ignore[overload-overlap]
        self,
        source: ImageSource,
        overlay: str | Path | None = None,
        *,
        force: bool = False,
        taken_as: TakenAs = "auto",
        gallery: str | Path | None = None,
    ) -> Result: ...
    @overload
    def classify(
        self,
        source: Iterable[ImageSource],
        overlay: str | Path | None = None,
        *,
        force: bool = False,
        taken_as: TakenAs = "auto",
        gallery: str | Path | None = None,
    ) -> Iterator[Result]: ...

    def classify(
        self,
        source: ImageSource | Iterable[ImageSource],
        overlay: str | Path | None = None,
        *,
        force: bool = False,
        taken_as: TakenAs = "auto",
        gallery: str | Path | None = None,
    ) -> Result | Iterator[Result]:
        """Classify one image, or many.

        Parameters
        ----------
        source : one image, or an iterable of images
            An image is a path, the content of an image file (bytes or a binary file object, such
            as an upload), a PIL.Image.Image or an (H, W, 3) or (H, W) ndarray; `load_rgb` says
            how they are read. A file object is read from its beginning and stays open.
        overlay : str or Path, optional
            Folder for a picture of each image that shows its cells, or which regions the label
            rests on: ``NAME.overlay.jpg``. A picture that cannot be written leaves the result as
            it is; its `overlay_error` says why.
        force : bool
            Replace overlays that exist.
        taken_as : {"auto", "field", "cell"}
            Of a cell bundle: whether the images are fields or images of one cell. By default
            `is_one_cell` decides for each image, and `Result.kind` says what it was taken as.
        gallery : str or Path, optional
            Of a cell bundle: folder for a picture of each field that shows its cells, sorted by
            label and probability: ``NAME.cells.jpg``; `gallery_error` says why there is none.

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
            If no file can be written to the folder of the pictures, or `source` is a path, a list
            or a tuple, and the picture of one of its images exists. Nothing is classified then.
            If `taken_as` is unknown, or a bundle that judges whole fields is to take images as
            cells or to make a gallery.
        ImageError
            If `source` is neither an image nor an iterable, for example None or a number.

        Examples
        --------
        >>> classifier.classify("slide.jpg").label  # doctest: +SKIP
        'blast'
        >>> for result in classifier.classify(["a.jpg", "missing.jpg"]):  # doctest: +SKIP
        ...     print(result.image, result.status, result.error)
        a.jpg ok None
        missing.jpg error there is no file missing.jpg; fix: check the path
        """
        self._check_taken_as(taken_as)
        pictures = None
        if gallery is not None:
            self.check_judges_cells("a gallery is made")
        if overlay is not None or gallery is not None:
            from .overlay.pictures import Pictures

            pictures = Pictures(
                overlay,
                gallery,
                geometry=self.bundle.image_settings.geometry,
                positive=self.bundle.positive,
                images=source if isinstance(source, list | tuple) else [source],
                force=force,
            )
        if is_one_image(source):
            return self._classify_one(source, pictures, taken_as)  # type: ignore[arg-type]
        return self._classify_many(iter(source), pictures, taken_as)  # type: ignore[arg-type]

    def classify_smear(
        self, sources: Iterable[ImageSource], *, taken_as: TakenAs = "auto"
    ) -> tuple[Result, list[Result]]:
        """Classify all fields of one smear, and count their cells together.

        Parameters
        ----------
        sources : iterable of images
            As `classify`.
        taken_as : {"auto", "field", "cell"}
            As `classify`.

        Returns
        -------
        smear : Result
            As `pool_fields` returns it.
        fields : list of Result
            As `classify` returns them.

        Raises
        ------
        UsageError
            If the bundle judges whole fields.
        BackendError
            As `classify`.

        Examples
        --------
        >>> smear, fields = classifier.classify_smear(paths)  # doctest: +SKIP
        >>> smear.counts.blasts, smear.counts.interval  # doctest: +SKIP
        (9, (22.2, 59.2))
        """
        self.check_judges_cells("a smear is counted")
        results = list(self.classify(iter(sources), taken_as=taken_as))
        return self.pool(results), results

    def pool(self, results: Iterable[Result]) -> Result:
        """Return one result for all fields of a smear.

        Parameters
        ----------
        results : iterable of Result
            What `classify` returned for each field.

        Returns
        -------
        Result
            As `pool_fields`.

        Raises
        ------
        UsageError
            If the bundle judges whole fields.
        """
        from .cells.smear import pool_fields

        task = self.check_judges_cells("a smear is counted")
        smear = pool_fields(results, task.rule, self.bundle, self.backend.name)
        name, digest, members = self.identity
        site = None if self.site is None else self.site.label
        return replace(smear, site=site, bundle=name, digest=digest, members=members)

    @property
    def cell_task(self) -> CellTask | None:
        """How a cell bundle judges images; None for a bundle that judges whole fields."""
        return self._judge.cells

    def check_judges_cells(self, use: str) -> CellTask:
        """Return how the bundle judges cells.

        Parameters
        ----------
        use : str
            What needs them; the error says it.

        Raises
        ------
        UsageError
            If the bundle judges whole fields.
        """
        return self._judge.check_judges_cells(use)

    def _check_taken_as(self, taken_as: str) -> None:
        if taken_as not in TAKEN_AS:
            raise unknown_name("kind of image", taken_as, TAKEN_AS)
        if taken_as != "auto":
            self.check_judges_cells(f"an image is taken as a {taken_as}")

    def close(self) -> None:
        """Free the engine."""
        self._watchdog.close()
        self.backend.close()
        for _, engine in self._others:
            engine.close()

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
        return self._scores.of_image(rgb).scores

    def _classify_many(
        self, sources: Iterator[ImageSource], pictures: Pictures | None, taken_as: TakenAs
    ) -> Iterator[Result]:
        if self._workers == 1:
            yield from (self._classify_one(source, pictures, taken_as) for source in sources)
            return
        from .pipeline import in_order

        yield from in_order(
            sources,
            lambda source: self._preparation.prepare(source, taken_as),
            lambda image: self._predict(image, pictures),
            self._workers,
            self._watchdog.limit_s,
            self._timeout_result,
        )

    def _classify_one(
        self, source: ImageSource, pictures: Pictures | None, taken_as: TakenAs
    ) -> Result:
        def work() -> Result:
            image = self._preparation.prepare(source, taken_as)
            report_progress()
            return self._predict(image, pictures)

        try:
            return self._watchdog.run(work)
        except StepTimeoutError as error:
            return self._timeout_result(source, error.step)

    def _timeout_result(self, source: ImageSource, step: int) -> Result:
        """Return the error record of an image that exceeds the time limit.

        If only its overlay exceeds it, that is the result without the overlay.
        """
        answered = self._without_pictures.pop(id(source), None)
        limit_s = self._watchdog.limit_s or 0.0
        if step == 1:
            error = f"reading the image takes longer than {limit_s:g} s"
        else:
            error = f"{self.backend.engine} does not answer within {limit_s:g} s"
        error += "; set a longer time limit (--timeout)"
        if answered is not None:
            return replace(answered, overlay_error=error)
        return self._judge.error_result(image_name(source), error, limit_s)

    def _predict(self, image: PreparedImage | Result, pictures: Pictures | None) -> Result:
        if isinstance(image, Result):
            return image
        requests = self._workers * self._crop_workers
        if self._scores.all_hang(requests, self._watchdog.limit_s):
            error = f"{self.backend.engine} hangs since an earlier image; start alledge again"
            return self._judge.error_result(image.name, error, image.seconds)
        started = time.perf_counter()
        if isinstance(image.content, np.ndarray):
            outputs = [self._scores.of_image(image.content)]
            result = self._judge.judge(image.name, image.flags, outputs[0].scores)
        else:
            outputs = self._scores.of_crops(image.content.crops, self._crop_workers)
            scores = [row.scores for row in outputs]
            result = self._judge.judge_cells(image.name, image.content, scores)
        ms = (image.seconds + time.perf_counter() - started) * 1000
        result = replace(result, ms=ms, preview=image.preview, measurements=image.measurements)
        if self._features:
            rows = [row.features for row in outputs if row.features is not None]
            result = replace(result, features=np.stack(rows) if rows else None)
        return result if pictures is None else self._with_pictures(image, result, pictures)

    def _with_pictures(self, image: PreparedImage, result: Result, pictures: Pictures) -> Result:
        """Write the pictures of a result; the answer stays, whatever fails here."""
        self._without_pictures[image.key] = result
        content = image.content
        rgb = content if isinstance(content, np.ndarray) else None
        try:
            return pictures.write(self, image.source, rgb, result)
        finally:
            self._without_pictures.pop(image.key, None)
