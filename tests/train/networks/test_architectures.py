"""The table of architectures: parameter counts as the paper printed them, and errors for names."""

import json
from importlib import resources

import jsonschema
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.errors import UsageError
from alledge.train.networks.architectures import (
    ARCHITECTURES,
    HEADS,
    architecture,
    count_parameters,
    head_row,
)

PRINTED = {  # trainable, non-trainable, optimizer, total, as the paper prints them
    "vgg16": (21_170_497, 0, 42_340_996, 63_511_493),
    "vgg19": (26_480_193, 0, 52_960_388, 79_440_581),
    "resnet101v2": (25_723_393, 42_626_560, 51_446_788, 119_796_741),
    "densenet201": (24_117_761, 18_321_984, 48_235_524, 90_675_269),
    "mobilenetv2": (18_313_473, 34_112, 36_626_948, 54_974_533),
    "inceptionv3": (34_908_833, 34_432, 69_817_668, 104_760_933),
}


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_parameter_counts_with_the_paper_head_are_those_the_paper_printed(model: str) -> None:
    count = count_parameters(ARCHITECTURES[model], HEADS["paper"])
    assert (count.trainable, count.frozen, count.optimizer, count.total) == PRINTED[model]


def test_the_table_has_the_models_of_the_paper() -> None:
    assert list(PRINTED) == list(ARCHITECTURES)


@pytest.mark.parametrize(("name", "near"), [("mobilnet", "mobilenetv2"), ("VGG61", "vgg16")])
def test_unknown_model_names_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=near):
        architecture(name)


def test_unknown_head_names_the_existing_ones() -> None:
    with pytest.raises(UsageError, match="gap, paper"):
        head_row("transformer")


def test_models_json_follows_its_schema() -> None:
    result = CliRunner().invoke(main, ["models", "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    schema = resources.files("alledge.runtime").joinpath("schemas/models.json")
    jsonschema.validate(document, json.loads(schema.read_text(encoding="utf-8")))
    assert [row["name"] for row in document["models"]] == list(ARCHITECTURES)


def test_models_table_shows_every_model_with_what_the_paper_reported() -> None:
    result = CliRunner().invoke(main, ["models"])
    assert result.exit_code == 0, result.output
    for row in ARCHITECTURES.values():
        assert row.name in result.stdout
        assert f"{row.paper_accuracy:.2%}" in result.stdout
