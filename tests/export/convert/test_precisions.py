"""Every precision of every format that can do it, converted from a real network and run."""

import numpy as np
import pytest

from alledge.devices.operator_support import supported_versions, unsupported_operators
from alledge.export.convert.capabilities import CAPABILITIES, FORMATS
from alledge.export.convert.conversion import Conversion
from alledge.export.convert.jobs import MEMORY_BUDGET_MIB, Jobs
from alledge.export.convert.quantization_recipes import Recipe
from alledge.export.gate.parity import PASS, TOLERANCES
from alledge.export.matrix.markdown_page import OK
from alledge.export.matrix.model_conversions import Cell, MatrixRow
from alledge.export.source_run import read_run_images
from alledge.runtime.tflite_graph import operator_versions
from alledge.train.networks.architectures import ARCHITECTURES

ABLE = [cell for cell, row in CAPABILITIES.items() if row.refused is None]
IMAGES = 6
OLDEST = "tflite-runtime 2.14"


@pytest.fixture(scope="module")
def images(tiny_run):
    return read_run_images(tiny_run).images[:IMAGES]


@pytest.fixture(scope="module")
def conversion(tiny_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("precisions")
    part = read_run_images(tiny_run).training_part()
    return Conversion(Jobs(folder), tiny_run.model_path, folder / "model", "tiny", part, ("a", "b"))


@pytest.fixture(scope="module")
def real(conversion, images):
    return conversion.float_scores(images)


@pytest.fixture(scope="module")
def converted(conversion, tmp_path_factory):
    """Convert to a precision of a format, once: the artifact, and what its step says."""
    folder, done = tmp_path_factory.mktemp("converted"), {}

    def once(form, precision):
        if (form, precision) not in done:
            place = folder / form / precision
            done[form, precision] = conversion.artifact(form, precision, Recipe(), place)
        return done[form, precision]

    return once


@pytest.mark.parametrize(("form", "precision"), ABLE, ids=lambda value: value)
def test_a_precision_is_the_same_model_within_its_tolerance(
    form, precision, conversion, converted, images, real
):
    artifact, said = converted(form, precision)
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


@pytest.mark.parametrize("precision", sorted({precision for _, precision in ABLE}))
def test_no_opcode_is_newer_than_the_oldest_runtime_reads(precision, converted):
    artifact, _ = converted("tflite", precision)
    oldest = next(row for name, row in supported_versions().items() if name.startswith(OLDEST))
    assert unsupported_operators(operator_versions(artifact), oldest) == {}


@pytest.mark.slow
@pytest.mark.parametrize("model", ARCHITECTURES)
def test_every_architecture_converts_to_every_format_and_agrees_with_keras(model, tmp_path):
    """Its head is fitted on generated smears: of scores all alike nothing could be told."""
    bench = MatrixRow(model, "gap", tmp_path)
    for form in FORMATS:
        row = bench.row(Cell(model, "gap", "float32", form))
        assert row["status"] == OK, row
        assert row["coverage"]["informative"]
        assert row["verdict"] == PASS
