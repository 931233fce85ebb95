"""Every precision of every format that can do it, converted from a real network and run."""

import numpy as np
import pytest

from alledge.export.capabilities import CAPABILITIES, FORMATS
from alledge.export.conversion import Conversion
from alledge.export.jobs import MEMORY_BUDGET_MIB, Jobs
from alledge.export.parity import TOLERANCES
from alledge.export.recipes import Recipe
from alledge.export.source import read_material
from alledge.train.architectures import ARCHITECTURES

ABLE = [cell for cell, row in CAPABILITIES.items() if row.refused is None]
IMAGES = 6


@pytest.fixture(scope="module")
def images(tiny_run):
    return read_material(tiny_run).images[:IMAGES]


@pytest.fixture(scope="module")
def conversion(tiny_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("precisions")
    part = read_material(tiny_run).training_part()
    return Conversion(Jobs(folder), tiny_run.model_path, folder / "model", "tiny", part, ("a", "b"))


@pytest.fixture(scope="module")
def real(conversion, images):
    return conversion.float_scores(images)


@pytest.mark.parametrize(("form", "precision"), ABLE, ids=lambda value: value)
def test_a_precision_is_the_same_model_within_its_tolerance(
    form, precision, conversion, images, real, tmp_path
):
    artifact, said = conversion.artifact(form, precision, Recipe(), tmp_path)
    found = conversion.scores(form, artifact, images)
    apart = np.abs(found - real)[:, 1]
    assert apart.max() <= TOLERANCES[precision].max_dp
    assert apart.mean() <= TOLERANCES[precision].mean_dp
    assert found.dtype == np.float32
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert said["produced_by"]
    assert 0 < said["peak_mib"] <= MEMORY_BUDGET_MIB


def test_skipping_the_preparation_changes_nothing_on_this_route(conversion, images, tmp_path):
    """The graph comes from TFLite with its batch normalization folded and its shapes fixed."""
    found = []
    for prepared in (True, False):
        recipe = Recipe(prepared=prepared)
        artifact, _ = conversion.artifact("onnx", "int8", recipe, tmp_path / str(prepared))
        found.append(conversion.scores("onnx", artifact, images))
    assert np.array_equal(*found)


@pytest.mark.slow
@pytest.mark.parametrize("model", ARCHITECTURES)
def test_every_architecture_converts_to_every_format_and_agrees_with_keras(model, tmp_path):
    from alledge.train.network import build

    size = 96
    build(model, weights="none", size=size, seed=2).save(tmp_path / "model.keras")
    some = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    made = Conversion(Jobs(tmp_path), tmp_path / "model.keras", tmp_path / "model", model)
    wanted = made.float_scores(some)
    for form in FORMATS:
        artifact, _ = made.artifact(form, "float32", Recipe(), tmp_path / form)
        assert np.abs(made.scores(form, artifact, some) - wanted).max() <= 1e-3
