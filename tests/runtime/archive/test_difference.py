"""``alledge archive diff``: labels and rates that another bundle changes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from alledge.errors import DataError, UsageError
from alledge.runtime.archive.reporting.difference import compare_results
from support.archives import archive, rows, write_fields
from support.bundles import edit, read_record

SCHEMA = Path(__file__).resolve().parents[3] / "runtime" / "schemas" / "archive-diff.json"


@pytest.fixture
def partitions(tmp_path: Path, bundle: Path, own_bundle: Path) -> list[Path]:
    """Results of two bundles; the second calls every field of the north a blast."""
    write_fields(tmp_path / "fields" / "north", 3, first=10)
    write_fields(tmp_path / "fields" / "south", 2, first=20, red=True)
    formats = read_record(own_bundle)["formats"]
    rows_of = {name: {**row, "threshold": 0.0, "band": [0.0, 0.0]} for name, row in formats.items()}
    edit(own_bundle, name="sensitive", formats=rows_of)
    found: list[Path] = []
    for each in (bundle, own_bundle):
        archive(tmp_path / "fields", "--out", tmp_path / "out", "--bundle", each)
        found += [path for path in (tmp_path / "out").glob("model=*") if path not in found]
    return found


def test_labels_and_rates_are_compared_by_site_and_month(partitions: list[Path]) -> None:
    before = rows(partitions[0])
    result = archive("diff", *partitions, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    healthy = [row for row in before if row["label"] == "healthy"]
    assert healthy
    assert document["both"] == 5
    assert document["labels"] == [{"old": "healthy", "new": "blast", "fields": len(healthy)}]
    assert [row["site"] for row in document["sites"]] == ["north", "south"]
    for row in document["sites"]:
        own = [field for field in before if field["site"] == row["site"]]
        assert row["fields"] == row["new_positive"] == len(own)
        assert row["old_positive"] == sum(field["label"] == "blast" for field in own)
    assert [(row["month"], row["fields"]) for row in document["months"]] == [("2024-03", 5)]
    assert {row["path"] for row in document["fields"]} == {row["path"] for row in healthy}
    text = archive("diff", *partitions).stdout
    assert f"healthy -> blast  {len(healthy)}" in text
    assert "north" in text


def test_only_the_latest_row_of_a_field_counts(
    tmp_path: Path, bundle: Path, partitions: list[Path]
) -> None:
    write_fields(tmp_path / "fields" / "north", 1, first=10, red=True)
    archive(tmp_path / "fields", "--out", tmp_path / "out", "--bundle", bundle)
    document = compare_results(*map(str, partitions))
    assert (document["both"], document["only_old"], document["only_new"]) == (4, 1, 1)


def test_results_that_cannot_be_compared_are_refused(
    tmp_path: Path, partitions: list[Path]
) -> None:
    with pytest.raises(UsageError, match="has 2 partitions"):
        compare_results(str(tmp_path / "out"), str(partitions[0]))
    with pytest.raises(DataError, match="are both"):
        compare_results(str(partitions[0]), str(partitions[0]))
    with pytest.raises(DataError, match="has no results"):
        compare_results(str(tmp_path / "fields"), str(partitions[0]))
