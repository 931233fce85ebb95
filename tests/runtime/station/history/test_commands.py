"""``alledge history``: list, show, export, verify and remove, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from alledge.cli import main
from alledge.runtime.csv_cells import COMMA_SPREADSHEET, POINT_SPREADSHEET, csv_row
from alledge.runtime.station.history.store import History
from alledge.runtime.station.history.times import utc_text
from support.histories import filled, new_result
from support.hostile_text import HOSTILE, is_harmless

SCHEMAS = Path(__file__).resolve().parents[4] / "runtime" / "schemas"


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["history", words[0], "--home", str(home), *words[1:]])


def schema(name: str) -> jsonschema.Draft202012Validator:
    text = (SCHEMAS / f"{name}.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def test_list_shows_the_newest_first_with_the_verdict_of_a_person(history: History) -> None:
    result = run(history.path.parent, "list")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["4", "3", "2", "1"]
    assert "it is a text file" in lines[0]
    assert "person: healthy" in lines[3]


def test_json_of_list_and_export_follows_the_schema(history: History) -> None:
    home = history.path.parent
    for words in (("list", "--json"), ("export", "--jsonl"), ("export", "--jsonl", "--names")):
        documents = [json.loads(line) for line in run(home, *words).stdout.splitlines()]
        assert len(documents) == 4
        for document in documents:
            schema("history-entry").validate(document)
    schema("history-verification").validate(json.loads(run(home, "verify", "--json").stdout))


def test_an_export_has_names_only_where_they_are_asked_for(history: History) -> None:
    home = history.path.parent
    for style in ("--csv", "--jsonl", "--html"):
        assert "2.jpg" not in run(home, "export", style).stdout
        assert "2.jpg" in run(home, "export", style, "--names").stdout


def test_csv_opens_in_a_german_and_a_french_excel(history: History, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert run(history.path.parent, "export", "--csv", "--out", str(out)).exit_code == 0
    content = out.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    header, *rows = content.decode("utf-8-sig").splitlines()
    assert len(rows) == 4
    row = dict(zip(header.split(";"), rows[0].split(";"), strict=True))
    assert (row["blast_percent"], row["probability"], row["person"]) == ("22,5", "0,25", "healthy")
    assert "22.5" not in content.decode()
    point = run(history.path.parent, "export", "--csv", "--decimal", "point").stdout
    assert ",22.5," in point


def test_a_form_of_csv_keeps_texts_and_separates_by_its_own_sign() -> None:
    assert csv_row(["a;b", "1,5", -0.5, 3, None], COMMA_SPREADSHEET) == '"a;b";1,5;-0,5;3;'
    assert csv_row(["a;b", 1e-9], POINT_SPREADSHEET) == "a;b,1e-09"
    assert csv_row(["=1+1"], COMMA_SPREADSHEET) == "'=1+1"


def test_an_export_replaces_no_file_without_force(history: History, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    out.write_text("mine", encoding="utf-8")
    words = ("export", "--csv", "--out", str(out))
    assert run(history.path.parent, *words).exit_code == 2
    assert out.read_text(encoding="utf-8") == "mine"
    assert run(history.path.parent, *words, "--force").exit_code == 0
    assert run(history.path.parent, "export").exit_code == 2


def test_the_page_shows_results_thumbnails_and_the_agreement(history: History) -> None:
    page = run(history.path.parent, "export", "--html").stdout
    assert "data:image/jpeg;base64," in page
    assert "0 of 1" in page
    assert "22.5" not in page  # counts, not shares of few cells


def test_show_names_what_the_machine_and_a_person_say(history: History) -> None:
    text = run(history.path.parent, "show", "1").stdout
    assert "machine    blast (25.0%" in text
    assert "person     image: healthy" in text
    assert "cell 0 at 0, 5 (machine: blast): healthy" in text
    missing = run(history.path.parent, "show", "99")
    assert missing.exit_code == 2
    assert "1 to 7" in missing.stderr


def test_remove_asks_and_says_what_it_removed(history: History) -> None:
    home = history.path.parent
    asked = CliRunner().invoke(
        main, ["history", "remove", "--home", str(home), "--before", "2999-01-01"], input="n\n"
    )
    assert asked.exit_code != 0
    assert history.entry(1).body is not None  # type: ignore[union-attr]
    result = run(home, "remove", "--before", "2999-01-01", "--yes")
    assert result.stdout == "removed the content of 7 entries\n"
    assert run(home, "verify").exit_code == 0
    assert "(removed)" in run(home, "list").stdout
    assert "removed" in run(home, "show", "1").stdout
    assert run(home, "export", "--html").exit_code == 0


def test_an_edited_history_exits_with_1(history: History) -> None:
    history._connection.execute("UPDATE entries SET label = 'x' WHERE number = 1")
    assert run(history.path.parent, "verify").exit_code == 1


def test_without_a_history_there_is_an_error_with_a_fix(tmp_path: Path) -> None:
    result = run(tmp_path / "new", "list")
    assert result.exit_code == 1
    assert "alledge watch" in result.stderr


def test_hostile_names_stay_on_their_lines(home: Path) -> None:
    with filled(home) as history:
        history.add(new_result(66, HOSTILE.replace("/", "")))
    for words in (("list",), ("show", "8")):
        output = run(home, *words).stdout
        assert is_harmless(output)
    assert "<script" not in run(home, "export", "--html", "--names").stdout


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "99999999999d", "99999d"])
def test_a_text_that_is_no_time_is_refused(home: Path, text: str) -> None:
    if text != "99999d" or utc_text(text) is None:
        result = run(home, "list", "--since", text)
        assert result.exit_code == 2
        assert "2026-01-31" in result.stderr


def test_times_are_of_this_zone_unless_they_have_an_offset() -> None:
    assert utc_text("2026-01-31T12:30+01:00") == "2026-01-31T11:30:00.000Z"
    assert utc_text("2026-01-31T12:30Z") == "2026-01-31T12:30:00.000Z"
    assert utc_text("2026-01-31") is not None
    assert (utc_text("0d") or "") > "2026"
