"""CSV cells: no spreadsheet computes a name, and every name is read back as it was."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.runtime.csv_cells import cell_of, csv_document, csv_row, read_csv, text_of_cell
from alledge.runtime.terminal import echo
from support.hostile_text import HOSTILE, is_harmless

FORMULAS = ("=1+1", "+1-2", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "-", "--1")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_compute_has_an_apostrophe(text: str) -> None:
    cell = str(cell_of(text))
    assert cell[0] == "'"
    assert text_of_cell(cell) == text


@pytest.mark.parametrize("value", [-0.5, -1, 1e-7, True, None, "-0.5", "+3", "-1e-05", "0.1"])
def test_numbers_stay_numbers(value: object) -> None:
    assert cell_of(value) == value


@pytest.mark.parametrize(
    "text", ["'quoted'.jpg", "a=b", "C:\\new\\x1b", "ü.jpg", "C:\\users\\u0041"]
)
def test_a_harmless_text_is_written_as_it_is(text: str) -> None:
    assert cell_of(text) == text
    assert text_of_cell(text) == text


@given(st.text(st.characters(), max_size=12))
def test_every_text_is_read_back(text: str) -> None:
    assert text_of_cell(str(cell_of(text))) == text


@given(st.text(st.sampled_from("'=-\\u001bd8e9\x1b\ud8e9\u202e\n"), max_size=14))
def test_texts_that_look_like_escapes_are_read_back(text: str) -> None:
    assert text_of_cell(str(cell_of(text))) == text


def test_two_names_never_become_one() -> None:
    names = ["\udce9.jpg", "\\udce9.jpg", "\\\\udce9.jpg", "é.jpg", "?.jpg"]
    assert len({cell_of(name) for name in names}) == len(names)


def test_a_document_is_read_back_with_its_header() -> None:
    rows = [["=x", -1.5], [HOSTILE, None], ['a,b\n"c"', 2]]
    text = csv_document(["@image", "score"], rows)
    text.encode("utf-8")
    assert is_harmless(text)
    read = list(read_csv(io.StringIO(text, newline="")))
    assert [row["@image"] for row in read] == [row[0] for row in rows]
    assert [row["score"] for row in read] == ["-1.5", "", "2"]


def test_a_line_break_in_a_cell_is_in_quotation_marks() -> None:
    assert csv_row(["a\nb", 1]) == '"a\nb",1'
    assert csv_row(["a\r\nb", 1]) == '"a\\u000d\nb",1'
    assert next(csv.reader(io.StringIO(csv_row(["a\nb"]), newline=""))) == ["a\nb"]


@pytest.mark.parametrize("name", [HOSTILE, "a\rb.jpg", "=1.jpg", "\udce4.jpg", "a\\rb.jpg"])
def test_a_printed_record_is_read_back(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    echo(csv_row(["image"]))
    echo(csv_row([name]))
    output = capsys.readouterr().out
    assert is_harmless(output)
    assert [row["image"] for row in read_csv(io.StringIO(output, newline=""))] == [name]
