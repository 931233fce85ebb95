"""`history verify` finds every edit, and tells a removal from one."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from alledge.runtime.station.history.store import History
from alledge.runtime.station.history.verification import verification_text, verify_history
from support.histories import filled, new_result

EDITS = {
    "a probability": "UPDATE entries SET probability = 0.1 WHERE number = 2",
    "a label": "UPDATE entries SET label = 'healthy' WHERE number = 2",
    "a body": "UPDATE entries SET body = replace(body, 'blast', 'bLast') WHERE number = 2",
    "a body and its digest": "UPDATE entries SET body = '{}', body_digest = 'x' WHERE number = 2",
    "a time": "UPDATE entries SET time = '2020' WHERE number = 1",
    "a content": "UPDATE entries SET content = 'sha256:0' WHERE number = 3",
    "a verdict's result": "UPDATE entries SET refers_to = 2 WHERE number = 5",
    "a number": "UPDATE entries SET number = 99 WHERE number = 7",
    "a removed row": "DELETE FROM entries WHERE number = 6",
    "a removed body": "UPDATE entries SET body = NULL WHERE number = 6",
    "a name": "UPDATE names SET name = 'b.jpg' WHERE number = 2",
    "a removed name": "DELETE FROM names WHERE number = 2",
    "an added name": "INSERT INTO names VALUES (5, 's', 'n', 'f')",
    "a picture": "UPDATE pictures SET jpeg = x'00' WHERE number = 2",
    "a removed picture": "DELETE FROM pictures WHERE number = 2",
    "an added picture": "INSERT INTO pictures VALUES (5, 'preview', x'00')",
    "the first link": "UPDATE settings SET value = 'x' WHERE key = 'history'",
    "an inserted row": "INSERT INTO entries (number, kind, time, body_digest, link) "
    "VALUES (8, 'verdict', '2020', 'x', 'y')",
    "no JSON": "UPDATE entries SET kind = 'removal', body = 'x' WHERE number = 6",
}


def edit(history: History, sql: str) -> None:
    with sqlite3.connect(history.path) as connection:
        connection.execute(sql)


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_is_found(history: History, what: str) -> None:
    assert verify_history(history)["verdict"] == "pass"
    edit(history, EDITS[what])
    document = verify_history(history)
    assert document["verdict"] == "fail"
    assert document["problems"]
    assert "fail" in verification_text(document)


@pytest.mark.parametrize("scope", ["all", "names", "pictures"])
def test_a_removal_is_no_edit_and_nothing_of_it_stays_in_the_file(home: Path, scope: str) -> None:
    with filled(home) as history:
        history.add(new_result(77, "Müller Hans.jpg"))
        removal = history.remove("2999", scope)  # type: ignore[arg-type]
        assert removal.entries > 0
        assert removal.is_overwritten
        assert verify_history(history)["problems"] == []
        assert history.remove("2999", scope).entries == 0  # type: ignore[arg-type]
        history.add(new_result(78))
        assert verify_history(history)["problems"] == []
        entry = history.entry(1)
        assert entry is not None
        assert (entry.name is None) == (scope != "pictures")
        assert (history.picture(1, "thumbnail") is None) == (scope != "names")
        assert (entry.body is None) == (scope == "all")
        files = b"".join(path.read_bytes() for path in home.glob("history.sqlite3*"))
    assert ("Müller Hans.jpg".encode() in files) == (scope == "pictures")
    assert (b"jpeg 77" in files) == (scope == "names")


def test_a_removed_image_is_not_classified_again(history: History) -> None:
    history.remove("2999")
    assert history.add(new_result(1)) == (1, False)


def test_a_removal_keeps_what_is_newer(history: History) -> None:
    assert history.remove("2000-01-01T00:00:00.000Z").entries == 0
    assert history.last_number() == 7
    assert history.picture(1, "thumbnail") == b"jpeg 1"


def test_what_a_removal_does_not_name_is_still_an_edit(history: History) -> None:
    history.remove("2999", "names")
    edit(history, EDITS["a removed picture"])
    assert verify_history(history)["verdict"] == "fail"


def test_a_noted_link_finds_a_history_that_was_cut_off_or_written_anew(
    history: History, tmp_path: Path
) -> None:
    noted = verify_history(history)["last_link"]
    assert noted is not None
    history.add(new_result(50))
    assert verify_history(history, noted[:12])["expected_link"] == "found"
    shutil.rmtree(tmp_path / "home")
    (tmp_path / "home").mkdir()
    with filled(tmp_path / "home") as other:
        assert verify_history(other)["verdict"] == "pass"
        document = verify_history(other, noted)
        assert (document["verdict"], document["expected_link"]) == ("fail", "missing")
