"""Every command that reads a data set takes the same options."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from alledge.cli import main
from alledge.runtime.data.datasets import read_dataset
from alledge.runtime.data.layout_types import ReadOptions


@pytest.mark.parametrize("command", ["audit", "train", "study", "evaluate", "benchmark"])
def test_a_command_that_reads_a_data_set_has_the_options(command: str) -> None:
    text = CliRunner().invoke(main, [command, "--help"]).output
    assert all(option in text for option in ("--layout", "--positive", "--labels"))


def test_an_audit_asks_and_then_reads_as_it_was_told(tmp_path: Path) -> None:
    labels = ("healthy", "Ph-negative ALL", "Ph-positive ALL")
    for number, label in enumerate(labels):
        (tmp_path / label).mkdir()
        Image.new("RGB", (40, 30), (number, 90, 90)).save(tmp_path / label / "a.png")
    command = ["audit", str(tmp_path), "--quiet"]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code != 0
    named = [word for label in labels[1:] for word in ("--positive", label)]
    result = CliRunner().invoke(main, [*command, *named])
    assert result.exit_code == 0, result.output
    line = "positive: Ph-negative ALL (named with --positive), Ph-positive ALL (named"
    assert line in result.output
    unknown = CliRunner().invoke(main, [*command, "--positive", "Ph-positive"])
    assert unknown.exit_code != 0


def test_the_record_of_a_run_reads_the_data_set_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (8, 8), (ord(name), 0, 0)).save(tmp_path / f"{name}.png")
    table = tmp_path / "t.csv"
    table.write_text("image,label\na,0\nb,1\n", encoding="utf-8")
    options = ReadOptions(positive=("1",), labels_file=table)
    first = read_dataset(tmp_path, options)
    record = {"layout": first.layout, "positive": ["1"], "labels_file": str(table)}
    again = read_dataset(tmp_path, ReadOptions.from_record(record))
    assert (again.labels, again.positive) == (first.labels, first.positive) == (("0", "1"), ("1",))
    assert again.fingerprint() == first.fingerprint()
