"""Generated smears: their layout, their seeds, and the accuracy that colour alone reaches."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image

from alledge.errors import DataError, UsageError
from alledge.runtime.data.datasets import BLAST, GENERATED_MARK, HEALTHY, Dataset, read_dataset
from alledge.runtime.imaging import load_rgb
from alledge.train.phantom import cell_kinds
from alledge.train.phantom.cells import Canvas, draw_leucocyte
from alledge.train.phantom.optics import Camera
from alledge.train.phantom.smears import CAMERAS, draw_field, generate

# small fields are enough: the histograms of the model's input hardly differ
IMAGES, SIZE = 200, 256
HISTOGRAM_CEILING = 0.70  # accuracy from colour alone; the demo's network must exceed it by far


@pytest.fixture(scope="module")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("phantom") / "set"
    return read_dataset(generate(root, images=IMAGES, seed=3, size=SIZE))


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_generated_set_has_the_layout_of_all_idb1_and_is_marked_as_generated(
    smears: Dataset,
) -> None:
    assert smears.layout == "all-idb1"
    assert smears.generated
    assert (smears.labels, smears.positive) == ((HEALTHY, BLAST), (BLAST,))
    assert len(smears.samples) == IMAGES
    assert sum(sample.label == BLAST for sample in smears.samples) == IMAGES // 2


def test_both_cameras_have_both_labels_equally_often(smears: Dataset) -> None:
    for camera in CAMERAS:
        for label in smears.labels:
            samples = [s for s in smears.samples if (s.camera, s.label) == (camera.model, label)]
            assert len(samples) == IMAGES // 4
            assert {(s.width, s.height) for s in samples} == {
                (round(camera.width * SIZE), round(camera.height * SIZE))
            }
    with Image.open(smears.samples[0].path) as image:
        assert image.getexif()[ExifTags.Base.Make] == "alledge"


def test_only_fields_with_blasts_have_centroids_and_those_lie_in_the_image(
    smears: Dataset,
) -> None:
    for sample in smears.samples:
        assert bool(sample.centroids) == (sample.label == BLAST)
        for x, y in sample.centroids:
            assert 0 <= x < sample.width
            assert 0 <= y < sample.height


def test_every_centroid_lies_on_a_stained_nucleus(smears: Dataset) -> None:
    for sample in smears.samples:
        with Image.open(sample.path) as image:
            green = np.asarray(image)[..., 1].astype(float)
        for x, y in sample.centroids:
            nucleus = green[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].mean()
            assert nucleus < 0.6 * np.median(green), sample.path.name


def test_the_generated_mark_holds_the_settings_and_fits_its_schema(smears: Dataset) -> None:
    record = json.loads((smears.root / GENERATED_MARK).read_text(encoding="utf-8"))
    schema = json.loads(
        (files("alledge.runtime") / "schemas" / "phantom.json").read_text(encoding="utf-8")
    )
    jsonschema.validate(record, schema)
    assert (record["seed"], record["images"], record["size"]) == (3, IMAGES, SIZE)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    first, again, other = (
        contents(generate(tmp_path / name, images=6, seed=seed, size=128))
        for name, seed in (("first", 5), ("again", 5), ("other", 6))
    )
    assert first == again
    assert not {data for name, data in first.items() if name.endswith(".jpg")} & set(other.values())


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    index=st.integers(0, 10**6),
    blast=st.booleans(),
    camera=st.sampled_from(CAMERAS),
    size=st.integers(96, 300),
)
def test_a_field_has_its_size_and_depends_on_seed_and_index_only(
    seed: int, index: int, blast: bool, camera: Camera, size: int
) -> None:
    image, centroids = draw_field(seed, index, blast, camera=camera, size=size)
    assert image.mode == "RGB"
    assert image.size == (round(camera.width * size), round(camera.height * size))
    assert bool(centroids) == blast
    assert all(0 <= x < image.width and 0 <= y < image.height for x, y in centroids)
    again, same = draw_field(seed, index, blast, camera=camera, size=size)
    assert again.tobytes() == image.tobytes()
    assert same == centroids


def test_blasts_have_more_nucleus_for_their_size_than_any_normal_leucocyte() -> None:
    def nucleus_shares(kind: cell_kinds.Leucocyte) -> list[float]:
        canvas, rng = Canvas(10, 10, 8.0), np.random.default_rng(0)
        shares = []
        for _ in range(12):
            diameter = 8.0 * rng.uniform(*kind.diameter_um)
            cell, nucleus = draw_leucocyte(canvas, rng, kind, 5.0, 5.0, diameter)
            assert cell.sum() == pytest.approx(np.pi / 4 * diameter**2, rel=0.1)
            shares.append(float(nucleus.sum() / cell.sum()))
        return shares

    blasts = nucleus_shares(cell_kinds.BLAST)
    for kind in cell_kinds.NORMAL:
        assert max(nucleus_shares(kind)) < min(blasts), kind.name
    assert cell_kinds.BLAST.diameter_um[0] > cell_kinds.LYMPHOCYTE.diameter_um[1]


def test_colour_alone_does_not_separate_blasts_from_healthy_blood(smears: Dataset) -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def histogram(path: Path) -> NDArray[np.float64]:
        bins = load_rgb(path).reshape(-1, 3).astype(np.int64) // 32
        return np.bincount(bins @ [64, 8, 1], minlength=512) / len(bins)

    features = np.array([histogram(sample.path) for sample in smears.samples])
    truth = np.array([sample.label == BLAST for sample in smears.samples])
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for model in (
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        RandomForestClassifier(200, random_state=0),
    ):
        accuracy = cross_val_score(model, features, truth, cv=folds).mean()
        assert accuracy <= HISTOGRAM_CEILING, model


def test_in_a_fully_biased_set_each_camera_has_one_label(tmp_path: Path) -> None:
    biased = read_dataset(generate(tmp_path / "trap", images=8, size=96, camera_bias=1.0))
    assert len({(sample.camera, sample.label) for sample in biased.samples}) == 2


@pytest.mark.parametrize(
    "wrong", [{"images": 3}, {"seed": -1}, {"size": 95}, {"size": 4097}, {"camera_bias": 1.5}]
)
def test_a_number_out_of_range_is_named_and_nothing_is_written(
    tmp_path: Path, wrong: dict[str, int]
) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        generate(tmp_path / "set", **wrong)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_folder_with_files_in_it_is_refused_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="is there already"):
        generate(tmp_path, images=4, size=96)
    assert contents(tmp_path) == {"mine.txt": b"mine"}


def test_an_interrupted_set_does_not_appear_and_the_next_attempt_succeeds(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        assert total == 4
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "set", images=4, size=96, progress=interrupt)
    assert not (tmp_path / "set").exists()
    assert len(read_dataset(generate(tmp_path / "set", images=4, size=96)).samples) == 4
