"""The Python API: one image or many, in order, from any thread."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alledge.errors import BackendError, BundleError, ImageError, TamperedError, UsageError
from alledge.runtime.backends import BACKENDS
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.classifier import MODES, Classifier, Mode
from alledge.runtime.imaging import load_rgb
from alledge.runtime.pipeline import max_in_flight

Maker = Callable[..., Image.Image]
every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def images(tmp_path: Path, make_picture: Maker) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for number, path in enumerate(paths):
        make_picture(seed=number).save(path)
    return paths


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_gives_the_networks_answer(
    bundle: Path, images: list[Path], tiny: ModuleType, backend: str
) -> None:
    with Classifier.load(bundle, backend) as classifier:
        for path in images:
            result = classifier.classify(path)
            wanted = tiny.expected(load_rgb(path))
            assert result.probability == pytest.approx(wanted, abs=1e-5)
            assert result.label == ("blast" if wanted >= 0.5 else "healthy")
            assert (result.status == "review") == (0.45 <= wanted < 0.55)
            assert (result.image, result.backend) == (str(path), backend)
            assert result.digest == Bundle.open(bundle).digest


def test_path_image_and_array_give_the_same_result(bundle: Path, images: list[Path]) -> None:
    with Classifier.load(bundle) as classifier, Image.open(images[0]) as image:
        array = np.asarray(image)
        answers = [classifier.classify(given) for given in (images[0], str(images[0]), array)]
        answers.append(classifier.classify(image))
    assert len({answer.probability for answer in answers}) == 1
    assert [answer.image is None for answer in answers] == [False, False, True, True]


@every_mode
def test_many_are_answered_in_order(bundle: Path, images: list[Path], mode: Mode) -> None:
    with Classifier.load(bundle, threads=3, mode=mode) as classifier:
        many = [result.probability for result in classifier.classify(images)]
        assert many == [classifier.classify(path).probability for path in images]


@every_mode
def test_an_endless_iterable_is_read_only_as_answers_are_taken(
    bundle: Path, images: list[Path], mode: Mode
) -> None:
    read = 0

    def endless() -> Iterator[Path]:
        nonlocal read
        for path in itertools.cycle(images):
            read += 1
            yield path

    with Classifier.load(bundle, threads=2, mode=mode) as classifier:
        answers = classifier.classify(endless())
        for _ in range(5):
            next(answers)
    assert 5 <= read <= 5 + max_in_flight(2)


def test_a_stack_of_arrays_is_many_images(bundle: Path, images: list[Path]) -> None:
    stack = np.stack([load_rgb(path) for path in images])
    with Classifier.load(bundle) as classifier:
        assert len(list(classifier.classify(stack))) == len(images)


@every_mode
def test_a_bad_file_is_an_error_record_and_the_rest_go_on(
    bundle: Path, images: list[Path], tmp_path: Path, mode: Mode
) -> None:
    images[3].write_bytes(b"")
    given = [*images, tmp_path / "missing.jpg", np.zeros((3, 3), np.float32)]
    with Classifier.load(bundle, threads=2, mode=mode) as classifier:
        statuses = [result.status for result in classifier.classify(given)]
    assert [at for at, status in enumerate(statuses) if status == "error"] == [3, 12, 13]


def test_threads_may_share_a_classifier(bundle: Path, images: list[Path]) -> None:
    with Classifier.load(bundle, mode="throughput", threads=2) as classifier:
        alone = [classifier.classify(path).probability for path in images]
        with ThreadPoolExecutor(6) as pool:
            many = pool.map(classifier.classify, images * 5)
            assert [result.probability for result in many] == alone * 5


def test_leaving_the_context_frees_the_engine(bundle: Path, images: list[Path]) -> None:
    with Classifier.load(bundle) as classifier:
        pass
    with pytest.raises(BackendError, match="closed"):
        classifier.classify(images[0])
    with pytest.raises(BackendError, match="closed"):
        list(classifier.classify(images))


def test_an_unknown_mode_names_the_nearest(bundle: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'latency'"):
        Classifier.load(bundle, mode="latancy")  # type: ignore[arg-type]


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a bundle"):
        Classifier.load(tmp_path)


def test_a_tampered_artifact_is_refused(own_bundle: Path) -> None:
    (own_bundle / "model.tflite").write_bytes(b"other")
    with pytest.raises(TamperedError, match=r"model\.tflite"):
        Classifier.load(own_bundle, "tflite")


def test_the_temperature_of_the_format_is_applied(
    own_bundle: Path, bundles: ModuleType, images: list[Path]
) -> None:
    formats = Bundle.open(own_bundle).record["formats"]
    formats["onnx"]["temperature"] = 3.0
    bundles.edit(own_bundle, formats=formats)
    with Classifier.load(own_bundle, "onnx") as soft, Classifier.load(own_bundle, "tflite") as raw:
        p, q = soft.classify(images[0]).probability, raw.classify(images[0]).probability
    assert p is not None
    assert q is not None
    assert abs(p - 0.5) < abs(q - 0.5)


@pytest.mark.parametrize(
    "answer", [[[np.nan, np.nan]], [[np.inf, 0.0]], [[0.2, 0.3, 0.5]], [[[0.5, 0.5]]]]
)
def test_outputs_that_are_not_scores_are_an_error_and_no_healthy_image(
    bundle: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch, answer: list[object]
) -> None:
    with Classifier.load(bundle) as classifier:
        raw = np.array(answer, np.float32)
        monkeypatch.setattr(classifier.backend, "predict", lambda batch: raw)
        with pytest.raises(BackendError, match="answered"):
            classifier.classify(images[0])


@pytest.mark.parametrize("source", [None, {"image": "x.jpg"}, 7])
def test_a_source_that_is_no_image_is_an_error_record_and_the_others_are_classified(
    bundle: Path, images: list[Path], source: object
) -> None:
    with Classifier.load(bundle) as classifier:
        results = list(classifier.classify([images[0], source, images[1]]))  # type: ignore[list-item]
    assert [result.status == "error" for result in results] == [False, True, False]
    assert type(source).__name__ in str(results[1].error)


def test_a_given_image_is_left_as_it_was(bundle: Path, tmp_path: Path, make_picture: Maker) -> None:
    path = tmp_path / "field.jpg"
    make_picture(1800, 1400).save(path)
    with Classifier.load(bundle) as classifier, Image.open(path) as image:
        result = classifier.classify(image)
        assert image.size == (1800, 1400)
        assert image.getpixel((1700, 1300)) is not None
        assert result.probability == classifier.classify(path).probability


@every_mode
def test_a_given_image_that_cannot_be_decoded_is_an_error_record_and_the_others_are_classified(
    bundle: Path, tmp_path: Path, make_picture: Maker, mode: Mode
) -> None:
    path, cut = tmp_path / "field.jpg", tmp_path / "cut.png"
    make_picture().save(path)
    make_picture().save(cut)
    cut.write_bytes(cut.read_bytes()[:-200])
    with path.open("rb") as stream:
        closed_file = Image.open(stream)
    with Image.open(path) as closed_image:
        pass
    moved = make_picture()
    moved.load = raise_os_error  # type: ignore[method-assign]
    sources = [path, closed_file, closed_image, Image.open(cut), moved, path]
    with Classifier.load(bundle, threads=2, mode=mode) as classifier:
        results = list(classifier.classify(sources))
    assert [result.status == "error" for result in results] == [False, *[True] * 4, False]
    assert "the given image cannot be decoded" in str(results[1].error)


def raise_os_error() -> None:
    raise OSError("the share is gone")


@every_mode
def test_content_and_file_objects_are_images(
    bundle: Path, images: list[Path], mode: Mode, tmp_path: Path
) -> None:
    content = images[0].read_bytes()
    with Classifier.load(bundle, threads=2, mode=mode) as classifier, images[0].open("rb") as file:
        wanted = classifier.classify(images[0]).probability
        sources = [content, bytearray(content), io.BytesIO(content), file]
        one = [classifier.classify(source) for source in sources]
        many = list(classifier.classify(sources, overlay=tmp_path / "overlays"))
        assert [result.probability for result in (*one, *many)] == [wanted] * 8
        assert {result.image for result in (*one, *many)} == {None}
        assert list(classifier.classify([])) == []


@pytest.mark.parametrize("source", [None, 5, {"image": "x.jpg"}])
def test_what_is_neither_an_image_nor_an_iterable_is_one_error(bundle: Path, source: Any) -> None:
    with Classifier.load(bundle) as classifier:
        with pytest.raises(ImageError, match="is not an image"):
            classifier.classify(source)
        result = next(classifier.classify([source]))
        assert result.status == "error"
        assert "is not an image" in (result.error or "")


def test_text_and_no_content_are_error_records(bundle: Path) -> None:
    with Classifier.load(bundle) as classifier:
        for source in (b"", b"hello", io.StringIO("hello")):
            assert classifier.classify(source).status == "error"  # type: ignore[arg-type]
