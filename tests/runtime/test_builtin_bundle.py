"""The bundle that the package contains: whole, licensed, and honest about foreign pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from alledge.benchmarks.internal.drawn_images import KINDS
from alledge.benchmarks.internal.non_smear_images import drawn_images, is_untouched
from alledge.runtime.bundle.builtin import LICENCE, builtin_folder
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.verify import verify_bundle
from alledge.runtime.classifier import Classifier

pytestmark = pytest.mark.skipif(
    not (builtin_folder() / "bundle.json").is_file(), reason="make builtin was not run"
)


@pytest.fixture(scope="module")
def classifier() -> Iterator[Classifier]:
    with Classifier.load("builtin", threads=1) as loaded:
        yield loaded


def test_it_is_whole_and_computes_here_what_it_computed_at_the_export() -> None:
    document = verify_bundle("builtin", threads=1)
    assert document["verdict"] == "pass"


def test_it_carries_its_licence_and_no_picture_of_a_data_set() -> None:
    bundle = Bundle.open("builtin")
    assert (bundle.path / "LICENSE").read_bytes() == LICENCE.read_bytes()
    parity = json.loads((bundle.path / "parity.json").read_text(encoding="utf-8"))
    assert parity["reference"]["source"] == "generated"
    pictures = [path for path in bundle.path.rglob("*") if path.suffix in (".jpg", ".png", ".tif")]
    assert [path.relative_to(bundle.path) for path in pictures] == [Path("reference/picture.jpg")]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if is_untouched(f"drawn/{kind}")])
def test_a_picture_that_is_no_smear_goes_to_review(classifier: Classifier, kind: str) -> None:
    for source, image in drawn_images():
        if source == f"drawn/{kind}":
            result = classifier.classify(image)
            assert result.status == "review", (kind, result.label, result.flags)


def test_a_field_without_a_cell_is_not_healthy(classifier: Classifier) -> None:
    result = classifier.classify(Image.new("RGB", (1200, 900), (228, 224, 216)))
    assert (result.status, result.label) == ("review", None)
