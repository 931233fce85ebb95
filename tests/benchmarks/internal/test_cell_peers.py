"""`cell_peers`: its figures, what it reads of a program, and a program that is not installed."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest
from click.testing import CliRunner

from alledge.benchmarks.internal.cell_peers import (
    Answers,
    PeerField,
    equally_spaced,
    main,
    recall_and_precision,
    run_program,
)
from alledge.errors import BackendError
from alledge.runtime.data.cell_truth import TrueCell
from support.boxed_fields import write_bccd

BOXES = (TrueCell("wbc", 50, 50, 40, 40), TrueCell("wbc", 150, 50, 40, 40))


def test_a_box_counts_once_and_a_detection_in_no_box_is_false() -> None:
    fields = [PeerField(Path("a.jpg"), BOXES, True), PeerField(Path("b.jpg"), BOXES[:1], True)]
    places = [[(50.0, 50.0), (55.0, 50.0), (100.0, 50.0)], [(50.0, 69.0)]]
    assert recall_and_precision(fields, Answers(places, [1.0, 1.0], 1.0)) == ("0.667", "0.500")


def test_fields_whose_healthy_cells_have_no_names_have_no_precision() -> None:
    fields = [PeerField(Path("a.jpg"), BOXES, False)]
    assert recall_and_precision(fields, Answers([[(50.0, 50.0)]], [1.0], 1.0)) == (
        "0.500",
        "not known",
    )


def test_the_chosen_fields_have_equal_distances() -> None:
    fields = [PeerField(Path(f"{number}.jpg"), (), True) for number in range(9)]
    assert [field.path.stem for field in equally_spaced(fields, 3)] == ["0", "4", "8"]
    assert equally_spaced(fields, 20) == fields


def test_what_a_program_prints_beside_its_answers_is_ignored() -> None:
    code = (
        "import sys\n"
        "print('loading')\n"
        "for number, line in enumerate(sys.stdin):\n"
        '    print(\'{"cells": [[%d, 2]], "seconds": 0.5}\' % number)\n'
    )
    answers = run_program("noisy", [sys.executable, "-c", code], [Path("a.jpg"), Path("b.jpg")])
    assert answers.cells == [[(0.0, 2.0)], [(1.0, 2.0)]]
    assert answers.seconds == [0.5, 0.5]


def test_a_program_that_ends_early_is_named() -> None:
    code = 'import sys; print(\'{"cells": [], "seconds": 1}\'); sys.exit(3)'
    with pytest.raises(BackendError, match=r"^quitter answered 1 of 2 images.* status 3\n"):
        run_program("quitter", [sys.executable, "-c", code], [Path("a.jpg"), Path("b.jpg")])


def test_the_table_has_a_row_for_each_set_and_program(tmp_path: Path) -> None:
    write_bccd(tmp_path)
    result = CliRunner().invoke(main, ["--bccd", str(tmp_path)], catch_exceptions=False)
    [_, _, row] = result.stdout.splitlines()
    assert [cell.strip() for cell in row.split("|")[1:6]] == [
        "BCCD", "alledge", "1", "1.000", "0.750",
    ]  # fmt: skip


def test_a_peer_whose_interpreter_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"^Otsu \+ watershed, scikit-image cannot start"):
        CliRunner().invoke(main, ["--watershed", str(tmp_path / "python")], catch_exceptions=False)


@pytest.mark.parametrize(
    ("options", "name"),
    [(["--watershed"], "Otsu + watershed, scikit-image"), (["--cbc"], "cbc 1.1.0")],
)
def test_a_peer_that_is_not_installed_is_named(
    tmp_path: Path, options: list[str], name: str
) -> None:
    venv.create(tmp_path / "empty", with_pip=False)
    folder, program = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    python = tmp_path / "empty" / folder / program
    wheel = [str(tmp_path)] if options == ["--cbc"] else []
    with pytest.raises(BackendError) as error:
        CliRunner().invoke(main, [*options, str(python), *wheel], catch_exceptions=False)
    assert str(error.value).startswith(f"{name} is not installed: ")
