"""The history: results once, verdicts beside them, errors in plain words, nothing half."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from alledge.errors import HistoryError, UsageError
from alledge.runtime.station.history import database
from alledge.runtime.station.history.agreement import agreement
from alledge.runtime.station.history.entries import SeenFile
from alledge.runtime.station.history.queries import EntryQuery
from alledge.runtime.station.history.store import History
from alledge.runtime.station.history.verification import verify_history
from support.histories import BUNDLE, content, filled, new_result, unread


def test_a_content_has_one_result_and_a_retake_of_the_same_name_another(home: Path) -> None:
    with History(home) as history:
        assert history.add(new_result(1, "a.jpg")) == (1, True)
        assert history.add(new_result(1, "b.jpg")) == (1, False)
        assert history.add(new_result(2, "a.jpg")) == (2, True)
        assert [entry.number for entry in history.entries(EntryQuery())] == [2, 1]
        assert history.find_result(content(1), BUNDLE) == 1
        assert history.find_result(content(1), "sha256:other") is None


def test_an_unread_file_is_recorded_once_for_each_state(home: Path) -> None:
    with History(home) as history:
        assert [history.add(unread(state)) for state in ("a", "a", "b")] == [
            (1, True), (1, False), (2, True)
        ]  # fmt: skip


def test_several_rows_are_written_in_one_transaction_or_none_is(home: Path) -> None:
    statements: list[str] = []
    with History(home) as history:
        history._connection.set_trace_callback(statements.append)
        rows = [new_result(1), new_result(2), new_result(1, "b.jpg"), unread("a")]
        assert history.add_all(rows) == [(1, True), (2, True), (1, False), (3, True)]
        assert statements.count("COMMIT") == 1
        history._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(HistoryError, match="the disk is full"):
            history.add_all([new_result(index) for index in range(10, 200)])
        history._connection.execute("PRAGMA max_page_count = 100000")
        assert history.last_number() == 3
        assert history.add(new_result(3)) == (4, True)
        assert history.has_result(content(3), BUNDLE)
        assert not history.has_result(content(3), "sha256:other")
        assert verify_history(history)["problems"] == []


def test_a_file_is_known_after_a_restart_until_it_changes(home: Path) -> None:
    with filled(home):
        pass
    with History(home) as history:
        seen = SeenFile("/camera/2.jpg", 2, 2)
        assert history.content_of_file(seen) == content(2)
        assert history.content_of_file(SeenFile("/camera/2.jpg", 2, 3)) is None
        assert history.content_of_file(SeenFile("/camera/9.jpg", 2, 2)) is None
        history.remember_file(SeenFile("/camera/9.jpg", 2, 2), content(3))
        assert history.content_of_file(SeenFile("/camera/9.jpg", 2, 2)) == content(3)


def test_verdicts_stand_beside_the_result_and_the_latest_counts(history: History) -> None:
    before = history.entry(1)
    history.add_verdict(1, 0, "other")
    history.add_verdict(1, 1, None)
    entry = history.entry(1)
    assert before is not None
    assert entry is not None
    assert entry.body == before.body
    assert {v.cell: v.label for v in entry.verdicts} == {None: "healthy", 0: "other"}
    assert (entry.label, entry.image_verdict) == ("blast", "healthy")


@pytest.mark.parametrize(
    ("number", "cell", "label", "said"),
    [
        (99, None, "blast", "there is no result 99"),
        (4, None, "blast", "there is no result 4"),
        (1, 3, "blast", "no cell 3"),
        (1, -1, "blast", "no cell -1"),
        (1, 0, "purple", "no label 'purple'"),
        (1, None, "other", "no label 'other'"),
    ],
)
def test_a_verdict_on_what_does_not_exist_is_refused(
    history: History, number: int, cell: int | None, label: str, said: str
) -> None:
    last = history.last_number()
    with pytest.raises(UsageError, match=said):
        history.add_verdict(number, cell, label)
    assert history.last_number() == last


def test_agreement_counts_the_latest_verdicts_with_intervals(history: History) -> None:
    document = agreement(history)
    assert (document["images"]["agreed"], document["images"]["judged"]) == (0, 1)
    assert (document["cells"]["agreed"], document["cells"]["judged"]) == (1, 2)
    assert document["corrections"] == 1
    low, high = document["cells"]["interval"] or (0, 0)
    assert 0 < low < 0.5 < high < 1


def test_a_query_selects_by_name_status_and_number(history: History) -> None:
    def numbers(**conditions: object) -> list[int]:
        return [entry.number for entry in history.entries(EntryQuery(**conditions))]  # type: ignore[arg-type]

    assert numbers(search="2.jp") == [2]
    assert numbers(search="%") == []
    assert numbers(status="foreign") == [4]
    assert numbers(unread=False) == [3, 2, 1]
    assert numbers(before=3, limit=1) == [2]
    assert numbers(after=2, newest_first=False) == [3, 4]
    assert numbers(since="2999") == []
    assert len(numbers(until="2999")) == 4


def test_changes_name_the_results_that_new_rows_are_or_refer_to(history: History) -> None:
    assert history.changed_since(0) == (7, [1, 2, 3, 4])
    assert history.changed_since(4) == (7, [1])
    assert history.changed_since(7) == (7, [])


def test_threads_and_processes_write_one_chain(home: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
        "from support.histories import new_result\n"
        "from alledge.runtime.station.history.store import History\n"
        "history = History(Path(sys.argv[1]))\n"
        "print([history.add(new_result(i))[1] for i in range(1, 31)].count(True))"
    )
    tests = str(Path(__file__).resolve().parents[3])
    with History(home) as history:
        command = [sys.executable, "-c", code, str(home), tests]
        others = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
        own: list[bool] = []
        threads = [
            threading.Thread(
                target=lambda: own.extend(history.add(new_result(i))[1] for i in range(1, 31))
            )
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts = [int(other.communicate()[0]) for other in others]
        assert sum(counts) + own.count(True) == 30
        assert verify_history(history)["problems"] == []
        assert history.counts()["result"] == 30


def test_a_missing_history_is_an_error_only_where_it_must_exist(home: Path) -> None:
    with pytest.raises(HistoryError, match="there is no history"):
        History(home, must_exist=True)


@pytest.mark.parametrize("damage", ["no database", "a page", "cut off"])
def test_a_damaged_database_is_one_clear_error(home: Path, damage: str) -> None:
    with filled(home, results=60) as opened:
        path = opened.path
        opened.remove("1999")  # moves the log into the file
    pages = bytearray(path.read_bytes())
    if damage == "no database":
        pages[:] = b"no database at all" * 999
    elif damage == "a page":
        pages[4096:40960] = b"\xff" * (40960 - 4096)
    else:
        del pages[5000:]
    path.write_bytes(pages)
    with pytest.raises(HistoryError, match="damaged") as caught, History(home) as history:
        history.add(new_result(999))
    assert "restore a backup" in str(caught.value)


def test_a_locked_database_is_one_clear_error(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(history.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with history.snapshot() as connection:  # readers are not blocked
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (7,)
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    second = History(history.path.parent)
    with pytest.raises(HistoryError, match="another program has locked it"):
        second.add(new_result(9))
    second.close()
    other.execute("ROLLBACK")
    other.close()
    assert history.add(new_result(9)) == (8, True)


def test_a_full_disk_is_one_clear_error_and_leaves_nothing_half(history: History) -> None:
    pages = sqlite3.connect(history.path).execute("PRAGMA page_count").fetchone()[0]
    history._connection.execute(f"PRAGMA max_page_count = {pages}")  # a small disk
    with pytest.raises(HistoryError, match="the disk is full"):  # noqa: PT012
        for index in range(10, 200):
            history.add(new_result(index))
    last = history.last_number()
    history._connection.execute("PRAGMA max_page_count = 100000")
    assert history.add(new_result(500)) == (last + 1, True)
    assert verify_history(history)["problems"] == []


def test_a_database_of_another_program_or_a_newer_version_is_refused(home: Path) -> None:
    other = sqlite3.connect(home / database.FILE)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(HistoryError, match="another program"):
        History(home)
    (home / database.FILE).unlink()
    with filled(home) as history:
        history._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(HistoryError, match="version 99"):
        History(home)


def test_no_text_of_the_database_has_a_path_of_the_camera(history: History) -> None:
    """Names are in one table, which can be emptied; `files` has keyed digests."""
    connection = sqlite3.connect(history.path)
    dump = "\n".join(line for line in connection.iterdump() if '"names"' not in line)
    assert "/camera" not in dump
    assert "never stored" not in dump
    entry = history.entry(1)
    assert entry is not None
    assert "1.jpg" not in json.dumps(entry.body)
