"""The commands `alledge devices list`, `show` and `detect`, called as a user types them."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.devices.profiles import profiles

SCHEMAS = Path(__file__).resolve().parents[2] / "runtime" / "schemas"


def run(*arguments: str, code: int = 0) -> str:
    """Return what the command printed, after checking its exit code."""
    result = CliRunner().invoke(main, [*arguments])
    assert result.exit_code == code, result.output
    return result.output


def valid(text: str, name: str) -> dict:
    """Return a JSON document after validating it with a schema."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    document = json.loads(text)
    jsonschema.validate(document, schema)
    return document


def test_list_names_every_board_and_the_reason_why_one_cannot_run_alledge():
    text = run("devices", "list")
    for profile in profiles().values():
        assert profile.name in text
        assert profile.runs or profile.why in text
    assert len(valid(run("devices", "list", "--json"), "devices")["devices"]) == len(profiles())


@pytest.mark.parametrize("name", profiles())
def test_show_prints_numbers_with_their_sources(name):
    text = run("devices", "show", name)
    document = valid(run("devices", "show", name, "--json"), "device")
    assert document["sources"]["cpu.cores"] in text
    assert document.get("why", "alledge pack") in text


def test_show_suggests_the_nearest_name():
    assert "did you mean 'raspberry-pi-5'?" in run("devices", "show", "raspbery-pi-5", code=2)


def test_detect_prints_the_chosen_engine_and_threads():
    document = valid(run("devices", "detect", "--json"), "detect")
    assert document["use"]["threads"] == document["machine"]["cores_usable"]
    assert f"use {document['use']['backend']}" in run("devices", "detect")


@pytest.mark.parametrize("name", ["list", "show", "detect"])
def test_every_subcommand_has_help_with_an_example(name):
    assert f"alledge devices {name}" in run("devices", name, "-h")
