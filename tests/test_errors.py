"""The exceptions: each is documented and raised, and its message names the fix."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from alledge import errors
from alledge.errors import (
    AlledgeError,
    AllImagesSeenError,
    BackendError,
    BundleError,
    DataError,
    ExportError,
    HistoryError,
    ImageError,
    MissingPackageError,
    RunError,
    SiteError,
    TamperedError,
    UntrustedError,
    UsageError,
    unknown_name,
)
from alledge.export.convert.serving_graph import serving_model
from alledge.runtime.backends import load_backend
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.seen_images import pixel_hash
from alledge.runtime.bundle.signing import trusted_keys
from alledge.runtime.data.datasets import read_dataset
from alledge.runtime.imaging import load_rgb
from alledge.runtime.metrics.bundle_evaluation import evaluate_bundle
from alledge.runtime.sites.profile import read_version
from alledge.runtime.station.history.store import History
from alledge.train.runs.run_folder import load_run
from support.bundles import edit

FAMILY = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, AlledgeError)
]


def test_the_docstring_lists_every_exception():
    for kind in FAMILY:
        assert re.search(rf"\b{kind.__name__}\b", errors.__doc__)


def damaged(bundle: Path) -> Path:
    """Change one file of a bundle, and return the bundle."""
    with (bundle / "parity.json").open("a", encoding="utf-8") as stream:
        stream.write(" ")
    return bundle


def measured_on_training_images(bundle: Path) -> object:
    """Measure a bundle on a data set that consists of its training images."""
    data = bundle.with_name("data")
    for label in ("healthy", "blast"):
        (data / label).mkdir(parents=True)
        Image.new("RGB", (64, 48), "purple").save(data / label / "image.png")
    hashes = [pixel_hash("00", load_rgb(path)) for path in data.rglob("*.png")]
    return evaluate_bundle(edit(bundle, seen={"salt": "00", "hashes": hashes}), data)


# What raises each error, given a copy of a bundle and a path where nothing is.
CAUSES: dict[type[AlledgeError], Callable[[Path, Path], object]] = {
    UsageError: lambda bundle, missing: load_backend("tfltie", missing),
    ImageError: lambda bundle, missing: load_rgb(missing),
    DataError: lambda bundle, missing: read_dataset(missing),
    AllImagesSeenError: lambda bundle, missing: measured_on_training_images(bundle),
    BundleError: lambda bundle, missing: Bundle.open(missing),
    TamperedError: lambda bundle, missing: Bundle.open(damaged(bundle)).check(),
    UntrustedError: lambda bundle, missing: trusted_keys(missing),
    BackendError: lambda bundle, missing: load_backend("onnx", missing),
    MissingPackageError: lambda bundle, missing: load_backend("onnx", bundle / "model.onnx"),
    HistoryError: lambda bundle, missing: History(missing, must_exist=True),
    RunError: lambda bundle, missing: load_run(missing),
    SiteError: lambda bundle, missing: read_version(missing, 1),
    ExportError: lambda bundle, missing: serving_model(without_probabilities()),
}


def without_probabilities() -> object:
    """Return a network with one output that is not a probability."""
    from alledge.train.networks.tensorflow_import import keras

    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])


@pytest.mark.parametrize("kind", CAUSES, ids=lambda kind: kind.__name__)
def test_every_exception_is_raised(kind, own_bundle, tmp_path, monkeypatch):
    if kind is MissingPackageError:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)  # importing it fails
        monkeypatch.delitem(sys.modules, "alledge.runtime.backends.onnx", raising=False)
    with pytest.raises(AlledgeError) as caught:
        CAUSES[kind](own_bundle, tmp_path / "missing")
    assert caught.type is kind


def test_every_exception_has_a_cause():
    assert {AlledgeError, *CAUSES} == set(FAMILY)


def test_a_message_carries_what_is_allowed_and_the_fix():
    error = AlledgeError("it is 3", allowed=["1", "2"], fix="use 2")
    assert str(error) == "it is 3\nallowed: 1, 2\nfix: use 2"
    assert error.one_line == "it is 3; allowed: 1, 2; fix: use 2"


def test_wrong_usage_exits_with_2_and_other_errors_with_1():
    assert UsageError("x").exit_code == 2
    assert {kind.exit_code for kind in FAMILY if kind is not UsageError} == {1}


def test_unknown_name_suggests_the_nearest_and_lists_all():
    error = unknown_name("model", "mobilnet", ["mobilenetv2", "vgg16"])
    assert "did you mean 'mobilenetv2'?" in str(error)
    assert "vgg16" in str(error)


def test_a_missing_package_names_the_extra_that_brings_it():
    error = MissingPackageError("onnxruntime", "onnx", "running this bundle")
    assert 'pip install "alledge[onnx]"' in str(error)
