"""Features of exported artifacts: on every engine, from the same file, leading to the scores."""

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from alledge.errors import BackendError, BundleError, TamperedError, UsageError
from alledge.export.options import ExportOptions
from alledge.export.process import export_run
from alledge.runtime.backends import BACKENDS, load_backend, open_backend
from alledge.runtime.backends.feature_outputs import onnx_with_features, tflite_with_features
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.feature_output import LAST_LAYERS, FeatureOutput
from alledge.runtime.bundle.last_layers import read_last_layer
from alledge.runtime.bundle.references import read_references
from alledge.runtime.bundle.verify import verify_bundle, verify_text
from alledge.runtime.classifier import Classifier
from support.bundles import edit, read_record, reseal

SCHEMAS = Path(__file__).resolve().parents[2] / "runtime" / "schemas"
SIZE = 16  # features of the small network
PRECISIONS = ("float32", "int8")


@pytest.fixture(params=PRECISIONS)
def bundle(request, int8_bundle, float32_bundle):
    return {"int8": int8_bundle, "float32": float32_bundle}[request.param]


@pytest.fixture
def own(float32_bundle, tmp_path):
    return Path(shutil.copytree(float32_bundle.path, tmp_path / "bundle"))


def without_features(folder: Path) -> Bundle:
    """Return the bundle as an earlier version would have exported it."""
    formats = read_record(folder)["formats"]
    for row in formats.values():
        del row["features"]
    (folder / LAST_LAYERS).unlink()
    edit(folder, formats=formats)
    return Bundle.open(reseal(folder))


@pytest.mark.parametrize("backend", BACKENDS)
def test_features_and_the_last_layer_give_the_scores_of_the_engine(bundle, backend):
    images = read_references(bundle).inputs
    layer = read_last_layer(bundle, backend)
    alone = open_backend(bundle, backend, 1)
    engine = open_backend(bundle, backend, 1, features=True)
    for image in images:
        scores, features = engine.predict_with_features(image[None])
        assert features.shape == (SIZE,)
        assert features.dtype == np.float32
        assert layer.scores(features[None]) == pytest.approx(scores, abs=1e-5)
        assert alone.predict(image[None]) == pytest.approx(scores, abs=1e-5)
        assert engine.predict(image[None]) == pytest.approx(scores, abs=1e-6)
    alone.close()
    engine.close()


def test_the_features_of_the_engines_are_those_of_the_float_model(float32_bundle, tiny_run):
    import keras

    network = keras.saving.load_model(tiny_run.model_path)
    images = read_references(float32_bundle).inputs[:4]
    values = network.get_layer("scaling")(images.astype(np.float32))
    values = network.get_layer("head").layers[0](network.get_layer("base")(values))
    expected = np.asarray(values)
    for backend in BACKENDS:
        engine = open_backend(float32_bundle, backend, 1, features=True)
        rows = np.stack([engine.predict_with_features(image[None])[1] for image in images])
        assert rows == pytest.approx(expected, abs=1e-4)
        engine.close()


def test_other_clients_of_the_artifacts_see_one_output(bundle):
    import onnx
    import openvino
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(bundle.path / "model.tflite"))
    interpreter.allocate_tensors()
    assert len(interpreter.get_output_details()) == 1
    assert len(onnx.load(bundle.path / "model.onnx").graph.output) == 1
    assert len(openvino.Core().read_model(bundle.path / "model.xml").outputs) == 1


def test_onnx_with_features_is_a_valid_model(float32_bundle):
    import onnx

    features = float32_bundle.formats["onnx"].features
    content = (float32_bundle.path / "model.onnx").read_bytes()
    model = onnx.load_from_string(onnx_with_features(content, features))
    assert [output.name for output in model.graph.output] == ["probabilities", features.tensor]
    long = FeatureOutput(1, tensor="n" * 300)  # needs two bytes for its length
    model = onnx.load_from_string(onnx_with_features(content, long))
    assert model.graph.output[1].name == "n" * 300


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_record_names_the_features_of_every_format(bundle, backend):
    record = read_record(bundle.path)
    schema = json.loads((SCHEMAS / "bundle.json").read_text(encoding="utf-8"))
    jsonschema.validate(record, schema)
    row = record["formats"][backend]["features"]
    assert FeatureOutput.from_json(row).to_json() == row
    assert row["size"] == SIZE
    assert LAST_LAYERS in record["files"]


@pytest.mark.parametrize("mode", ["latency", "throughput"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_classifier_gives_features_only_if_asked(float32_bundle, backend, mode, tiny_run):
    images = sorted(Path(tiny_run.record["data"]["root"]).rglob("*.png"))[:2]
    with Classifier.load(float32_bundle, backend, 2, mode, features=True) as classifier:
        results = list(classifier.classify(images))
    with Classifier.load(float32_bundle, backend, 2, mode) as classifier:
        plain = list(classifier.classify(images))
    layer, row = read_last_layer(float32_bundle, backend), float32_bundle.formats[backend]
    for result, other in zip(results, plain, strict=True):
        assert other.features is None
        assert result.features.shape == (1, SIZE)
        assert result.probability == pytest.approx(other.probability, abs=1e-5)
        raw = layer.scores(result.features)[0, 1]
        odds = np.log(raw / (1 - raw)) / row.temperature
        assert result.probability == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-4)
        assert "features" not in result.to_json()


def test_a_cell_bundle_gives_the_features_of_each_cell(int8_cell_bundle, tiny_cell_run):
    image = next(Path(tiny_cell_run.record["data"]["root"]).rglob("*.jpg"))
    with Classifier.load(int8_cell_bundle, "tflite", 2, features=True) as classifier:
        result = classifier.classify(image)
    assert result.features.shape == (len(result.cells), SIZE)
    layer = read_last_layer(int8_cell_bundle, "tflite")
    positive = layer.scores(result.features)[:, 1]
    order = np.argsort(positive, kind="stable")
    assert np.all(np.diff(np.array([cell.probability for cell in result.cells])[order]) > -1e-6)


def test_a_classifier_without_features_says_how_to_ask(float32_bundle):
    for backend in BACKENDS:
        engine = open_backend(float32_bundle, backend, 1)
        with pytest.raises(BackendError, match="without its features"):
            engine.predict_with_features(np.zeros((1, 64, 64, 3), np.uint8))
        engine.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bundle_without_features_works_until_they_are_asked_for(own, backend):
    bundle = without_features(own)
    with Classifier.load(bundle, backend, 1) as classifier:
        assert classifier.classify(np.zeros((64, 64, 3), np.uint8)).features is None
    with pytest.raises(UsageError, match="before features were recorded") as caught:
        Classifier.load(bundle, backend, 1, features=True)
    assert "export the bundle again" in str(caught.value.fix)
    assert verify_bundle(own)["backends"][backend]["features"] is None


def test_verify_checks_the_features(bundle):
    document = verify_bundle(bundle.path)
    schema = json.loads((SCHEMAS / "verify.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    for row in document["backends"].values():
        assert row["features"]["status"] == "pass"
        assert row["features"]["max_dp_of_layer"] < 1e-5
    assert "by the last layer" in verify_text(document)


def test_verify_finds_another_last_layer(own):
    with np.load(own / LAST_LAYERS) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["onnx-bias"] = arrays["onnx-bias"] + np.array([0.5, 0], np.float32)
    np.savez(own / LAST_LAYERS, **arrays)
    with pytest.raises(TamperedError, match=LAST_LAYERS):
        read_last_layer(Bundle.open(own), "onnx")
    backends = verify_bundle(reseal(own))["backends"]
    assert backends["onnx"]["features"]["status"] == backends["onnx"]["status"] == "fail"
    assert backends["tflite"]["status"] == "pass"


def test_verify_finds_another_tensor(own):
    formats = read_record(own)["formats"]
    formats["onnx"]["features"]["tensor"] = "image"
    formats["openvino"]["features"]["tensor"] = "nothing"
    document = verify_bundle(edit(own, formats=formats))
    assert "features, not 16" in document["backends"]["onnx"]["error"]
    assert document["backends"]["openvino"]["status"] == "fail"


def test_a_last_layer_that_is_not_finite_is_refused(own):
    with np.load(own / LAST_LAYERS) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["onnx-bias"] = arrays["onnx-bias"] * np.float32("nan")
    np.savez(own / LAST_LAYERS, **arrays)
    with pytest.raises(BundleError, match="not finite"):
        read_last_layer(Bundle.open(reseal(own)), "onnx")


@pytest.mark.parametrize(("key", "change"), [("position", 4), ("offset", 400), ("offset", 1 << 30)])
def test_a_wrong_place_of_the_second_outputs_is_refused(own, key, change):
    formats = read_record(own)["formats"]
    formats["tflite"]["features"][key] += change
    bundle = Bundle.open(edit(own, formats=formats))
    with pytest.raises(BundleError, match="no second list of outputs"):
        Classifier.load(bundle, "tflite", features=True)
    content = (own / "model.tflite").read_bytes()
    with pytest.raises(BundleError, match="no second list of outputs"):
        tflite_with_features(content[:100], bundle.formats["tflite"].features)


@pytest.mark.parametrize(
    "features",
    [
        None,
        {"size": 16},
        {"size": 0, "position": 8, "offset": 8},
        {"size": 16, "position": 8, "offset": -8},
        {"size": 16, "tensor": "x"},
        {"size": 16, "position": 8, "offset": 8, "more": 1},
    ],
)
def test_a_record_with_other_features_is_refused(own, features):
    formats = read_record(own)["formats"]
    formats["tflite"]["features"] = features
    with pytest.raises(BundleError, match=r"formats\.tflite\.features"):
        Bundle.open(edit(own, formats=formats))


def test_a_record_with_features_needs_the_file_of_the_layers(own):
    record = read_record(own)
    for key in ("files", "sizes"):
        del record[key][LAST_LAYERS]
    with pytest.raises(BundleError, match=LAST_LAYERS):
        Bundle.open(edit(own, files=record["files"], sizes=record["sizes"]))


def test_a_float16_bundle_has_features(tiny_run, tmp_path):
    half = tmp_path / "half"
    export_run(ExportOptions(tiny_run, "float16", out=half, gate=False))
    document = verify_bundle(half)
    assert {row["features"]["status"] for row in document["backends"].values()} == {"pass"}


def test_a_dynamic_bundle_without_a_float_layer_says_why(own):
    """The converter leaves small layers in float, so that of the tiny network would have them."""
    without_features(own)
    bundle = Bundle.open(edit(own, precision="dynamic"))
    with pytest.raises(UsageError, match="its precision is dynamic"):
        Classifier.load(bundle, "tflite", features=True)


def test_the_last_layer_of_a_dynamic_onnx_model_stays_in_float(float32_bundle, tmp_path):
    from alledge.export.convert.feature_layer import onnx_feature_layer
    from alledge.export.convert.onnx import FLOAT, convert
    from alledge.export.convert.quantization_recipes import Recipe

    shutil.copy(float32_bundle.path / "model.onnx", tmp_path / FLOAT)
    proto, _ = convert("dynamic", Recipe(), None, tmp_path)
    assert onnx_feature_layer(proto).output.size == SIZE


def test_an_engine_that_is_loaded_again_from_its_cache_gives_the_same_features(own):
    bundle = Bundle.open(own)
    image = read_references(bundle).inputs[:1]
    outputs = []
    for features in (True, False, True):
        engine = open_backend(bundle, "openvino", 1, features=features)
        if features:
            outputs.append(engine.predict_with_features(image))
        engine.close()
    (scores, first), (again, second) = outputs
    assert np.array_equal(first, second)
    assert np.array_equal(scores, again)


def test_features_under_a_path_that_is_not_text(float32_bundle, tmp_path):
    folder = Path(shutil.copytree(float32_bundle.path, tmp_path / "b\udcff"))
    for backend in BACKENDS:
        row = float32_bundle.formats[backend]
        engine = load_backend(backend, folder / row.file, 1, features=row.features)
        image = np.zeros((1, 64, 64, 3), np.uint8)
        assert engine.predict_with_features(image)[1].shape == (SIZE,)
        engine.close()
