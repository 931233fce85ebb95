"""Every supported precision of every format, converted from a small network and run."""

import numpy as np
import pytest

from alledge.devices.operator_support import supported_versions, unsupported_operators
from alledge.export.convert.capabilities import CAPABILITIES, FORMATS
from alledge.export.convert.conversion import Conversion
from alledge.export.convert.jobs import MEMORY_BUDGET_MIB, JobRunner
from alledge.export.convert.quantization_recipes import Recipe
from alledge.export.gate.parity import PASS, TOLERANCES
from alledge.export.matrix.markdown_page import OK
from alledge.export.matrix.model_conversions import MatrixCell, MatrixRow
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
    calibration = read_run_images(tiny_run).calibration_images().images
    return Conversion(
        JobRunner(folder), tiny_run.model_path, folder / "model", "tiny", calibration, ("a", "b")
    )


@pytest.fixture(scope="module")
def float_scores(conversion, images):
    return conversion.float_scores(images)


@pytest.fixture(scope="module")
def converted(conversion, tmp_path_factory):
    """Return a function that converts once: the artifact and the result of its step."""
    folder, results = tmp_path_factory.mktemp("converted"), {}

    def once(format_name, precision):
        if (format_name, precision) not in results:
            out = folder / format_name / precision
            results[format_name, precision] = conversion.artifact(
                format_name, precision, Recipe(), out
            )
        return results[format_name, precision]

    return once


@pytest.mark.parametrize(("format_name", "precision"), ABLE, ids=lambda value: value)
def test_a_precision_is_the_same_model_within_its_tolerance(
    format_name, precision, conversion, converted, images, float_scores
):
    artifact, result = converted(format_name, precision)
    scores = conversion.scores(format_name, artifact, images)
    difference = np.abs(scores - float_scores)[:, 1]
    assert difference.max() <= TOLERANCES[precision].max_dp
    assert difference.mean() <= TOLERANCES[precision].mean_dp
    assert scores.dtype == np.float32
    assert scores.sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert result["produced_by"]
    assert 0 < result["peak_mib"] <= MEMORY_BUDGET_MIB


def test_skipping_the_preprocessing_changes_nothing_for_a_graph_from_tflite(
    conversion, images, tmp_path
):
    """The graph comes from TFLite with its batch normalization folded and its shapes fixed."""
    scores = []
    for prepared in (True, False):
        recipe = Recipe(prepared=prepared)
        artifact, _ = conversion.artifact("onnx", "int8", recipe, tmp_path / str(prepared))
        scores.append(conversion.scores("onnx", artifact, images))
    assert np.array_equal(*scores)


@pytest.mark.parametrize("precision", sorted({precision for _, precision in ABLE}))
def test_no_opcode_is_newer_than_the_oldest_runtime_reads(precision, converted):
    artifact, _ = converted("tflite", precision)
    oldest = next(row for name, row in supported_versions().items() if name.startswith(OLDEST))
    assert unsupported_operators(operator_versions(artifact), oldest) == {}


@pytest.mark.slow
@pytest.mark.parametrize("model", ARCHITECTURES)
def test_every_architecture_converts_to_every_format_and_agrees_with_keras(model, tmp_path):
    """The head is fitted on generated smears: equal scores would not be informative."""
    conversions = MatrixRow(model, "gap", tmp_path)
    for format_name in FORMATS:
        row = conversions.row(MatrixCell(model, "gap", "float32", format_name))
        assert row["status"] == OK, row
        assert row["coverage"]["informative"]
        assert row["verdict"] == PASS
