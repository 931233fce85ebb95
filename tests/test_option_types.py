"""Every numeric option of every command has a finite range."""

import click
import pytest
from click.testing import CliRunner

from alledge.cli import COMMANDS, main
from alledge.runtime.option_types import Count, FiniteFloatRange

LARGEST = 2**31 - 1
WRONG = ("nan", "inf", "-inf", "1e309", "-1e309", "-1", str(10**30), "9" * 5000, "0x10", "", "1,5")


def numeric_options():
    """Yield the words of every command, with each of its numeric options."""

    def walk(command, words):
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                yield from walk(command.get_command(click.Context(command), name), (*words, name))
            return
        for option in command.params:
            if isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType)):
                yield words, option

    yield from walk(main, ())


OPTIONS = list(numeric_options())
IDS = [f"{' '.join(words)} {option.opts[0]}" for words, option in OPTIONS]


def test_the_numeric_options_are_found():
    assert {words[0] for words, _ in OPTIONS} >= {"benchmark", "train", "classify", "export"}
    assert "pack" in COMMANDS


@pytest.mark.parametrize(("words", "option"), OPTIONS, ids=IDS)
def test_the_range_of_an_option_is_finite(words, option):
    kind = option.type
    assert isinstance(kind, (FiniteFloatRange, click.IntRange))
    assert kind.min is not None
    assert 0 <= kind.min < kind.max <= LARGEST


@pytest.mark.parametrize(("words", "option"), OPTIONS, ids=IDS)
def test_a_number_out_of_range_is_wrong_usage(words, option):
    for value in (*WRONG, *(["0"] if option.type.min or option.type.min_open else [])):
        is_argument = isinstance(option, click.Argument)
        given = ["--", value] if is_argument else [f"{option.opts[0]}={value}"]
        name = option.opts[0].upper() if is_argument else option.opts[0]
        result = CliRunner().invoke(main, [*words, *given])
        assert result.exit_code == 2, (value, result.output)
        assert f"Invalid value for '{name}'" in result.output, value


@pytest.mark.parametrize("value", ["0", "-1", "1,nan", "1e309", str(10**30), "9" * 5000, "1025"])
def test_a_wrong_list_of_threads_is_wrong_usage(value):
    result = CliRunner().invoke(main, ["benchmark", "B", f"--threads={value}"])
    assert result.exit_code == 2
    assert "expected whole numbers from 1 to 1024" in result.output


def test_a_good_number_is_converted():
    assert FiniteFloatRange(0, 1).convert("0.5", None, None) == 0.5
    assert Count().convert("3", None, None) == 3
