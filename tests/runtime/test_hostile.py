"""More than 500 malformed files: each gives one record, and nothing else happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from alledge.runtime.imaging import load_rgb
from support import hostile

LONGEST_S = 240  # no hang: all of them together
CLOSE = 0.06  # in probability: what a lossy format and another decode may move


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    files: dict[str, str] = hostile.make(tmp_path_factory.mktemp("hostile") / "corpus")
    return files


def classify(bundle: Path, *arguments: str) -> tuple[list[dict[str, Any]], str, int]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "alledge",
            "classify",
            "--bundle",
            str(bundle),
            "--json",
            *arguments,
        ],
        capture_output=True,
        timeout=LONGEST_S,
    )
    lines = done.stdout.decode("ascii").splitlines()
    return (
        [json.loads(line) for line in lines],
        done.stderr.decode("utf-8", "replace"),
        done.returncode,
    )


@pytest.fixture(scope="module")
def answers(corpus: dict[str, str], bundle: Path) -> tuple[list[dict[str, Any]], str, int]:
    return classify(bundle, "--threads", "2", "--", *corpus)


def test_there_are_more_than_500_malformed_files(corpus: dict[str, str]) -> None:
    assert len(corpus) >= 500


def test_every_file_gives_exactly_one_record_in_order(
    corpus: dict[str, str], answers: tuple[list[dict[str, Any]], str, int]
) -> None:
    assert [record["image"] for record in answers[0]] == list(corpus)
    assert answers[2] == 1


def test_nothing_is_printed_on_stderr(answers: tuple[list[dict[str, Any]], str, int]) -> None:
    assert answers[1] == ""


def test_every_record_has_a_label_or_an_error(
    answers: tuple[list[dict[str, Any]], str, int],
) -> None:
    for record in answers[0]:
        if record["status"] == "error":
            assert record["error"]
            assert record["label"] is None
            assert "Traceback" not in record["error"]
        else:
            assert record["error"] is None
            assert 0 <= record["probability"] <= 1


def test_files_that_cannot_be_read_correctly_are_refused(
    corpus: dict[str, str], answers: tuple[list[dict[str, Any]], str, int]
) -> None:
    passed = [r["image"] for r in answers[0] if corpus[r["image"]] == "error" != r["status"]]
    assert passed == []


def test_intact_images_are_upright_whatever_their_names_are(
    corpus: dict[str, str],
    answers: tuple[list[dict[str, Any]], str, int],
    tiny: ModuleType,
) -> None:
    rgb = load_rgb(hostile.picture())
    wanted = tiny.expected(rgb)
    for turned in (rgb[::-1], rgb[:, ::-1], rgb[::-1, ::-1], np.rot90(rgb)):
        assert abs(tiny.expected(np.ascontiguousarray(turned)) - wanted) > 3 * CLOSE
    wrong = [
        (record["image"], record["probability"], record["error"])
        for record in answers[0]
        if corpus[record["image"]] == "upright"
        and (record["status"] == "error" or abs(record["probability"] - wanted) > CLOSE)
    ]
    assert wrong == []


def test_the_folder_itself_can_be_named(corpus: dict[str, str], bundle: Path) -> None:
    folder = os.path.commonpath(list(corpus))
    records, stderr, _ = classify(bundle, "--recursive", folder)
    names = [record["image"] for record in records]
    assert len(names) == len(set(names)) > 300
    (line,) = stderr.splitlines()
    assert line.startswith("not classified in the folders: ")
    assert "2 × special file" in line
    assert not any(name.endswith(("pipe.jpg", "endless.jpg")) for name in names)
    (text,) = [record for record in records if Path(record["image"]).name == "text.jpg"]
    assert "text file named as a picture" in text["error"]
