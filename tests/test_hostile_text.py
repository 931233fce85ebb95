"""What a command prints of others' names moves no cursor and begins no line of its own."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alledge.cli import main
from alledge.errors import AlledgeError, UsageError
from alledge.runtime.data.datasets import Dataset
from alledge.runtime.terminal import printable, show
from support.hostile_text import HOSTILE, is_harmless, make_hostile

# Of each command with --json: the function of its text, and the keys that the code compares.
TEXTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "models": ("train.tables:models_table", ()),
    "audit DATA": ("train.audit.verdict:audit_text", ("kind", "relation")),
    "evaluate BUNDLE --data DATA": ("train.tables:evaluation_text", ()),
    "verify BUNDLE": ("runtime.bundle.verify:verify_text", ("verdict", "status", "gate")),
    "doctor BUNDLE": ("devices.doctor:doctor_text", ("verdict",)),
    "devices detect": ("devices.profile_pages:detect_text", ()),
    "devices recommend": ("devices.estimates.recommend:recommend_text", ("kind", "holds")),
}


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def attribute(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(f"alledge.{module}"), function)
    return found


@pytest.mark.parametrize("command", TEXTS)
def test_hostile_texts_in_a_document_change_no_line_of_its_text(
    command: str, bundle: Path, smears: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"BUNDLE": bundle, "DATA": smears.root}
    printed = run(*(places.get(word, word) for word in command.split()), "--json").stdout
    name, keep = TEXTS[command]
    document, text_of = json.loads(printed), attribute(name)
    capsys.readouterr()
    show(document, False, text_of)
    usual = capsys.readouterr().out
    show(make_hostile(document, keep), False, text_of)
    output = capsys.readouterr().out
    assert is_harmless(output)
    assert output.count("\n") == usual.count("\n")
    assert command.startswith("models") or printable(HOSTILE)[:20] in output


@pytest.mark.parametrize("command", ["verify", "classify", "audit", "report", "doctor"])
def test_hostile_names_in_an_error_stay_on_its_line(command: str, tmp_path: Path) -> None:
    result = run(command, tmp_path / HOSTILE.replace("/", ""))
    lines = result.stderr.splitlines()
    assert result.exit_code
    assert is_harmless(result.stderr)
    assert not any(line.startswith("slide.jpg") for line in lines)


@pytest.mark.parametrize("words", [(HOSTILE,), ("classify", f"--{HOSTILE}"), ("models", HOSTILE)])
def test_hostile_arguments_in_a_usage_error_stay_on_its_line(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert is_harmless(result.stderr)
    assert not any(line.startswith("slide.jpg") for line in result.stderr.splitlines())


def test_each_part_of_an_error_is_one_line() -> None:
    error = UsageError("a\nb", allowed=["c\nd"], fix="e\r\nf")
    assert str(error) == "a\\nb\nallowed: c\\nd\nfix: e\\r\\nf"
    assert error.one_line == "a\\nb; allowed: c\\nd; fix: e\\r\\nf"
    assert isinstance(error, AlledgeError)


def test_markup_of_rich_in_a_name_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    from alledge.train.progress import CountProgress

    with CountProgress() as progress:
        progress.say(f"[red]{HOSTILE}[/]")
        progress.show(f"[bold]{HOSTILE}[/x]", 1, 2)
    error = capsys.readouterr().err
    assert error.startswith("[red]a\\nslide.jpg")
    assert is_harmless(error)
