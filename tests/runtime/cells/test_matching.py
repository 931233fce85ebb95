"""Detected cells are matched with true ones, one to one, nearest first."""

from hypothesis import given, settings
from hypothesis import strategies as st

from alledge.runtime.cells.matching import REACH, match_cells
from alledge.runtime.cells.types import Cell
from alledge.runtime.data.cell_truth import TrueCell


def test_the_nearest_pair_is_matched_first() -> None:
    cells = [Cell(0, 0, 10), Cell(8, 0, 10)]
    assert match_cells(cells, [TrueCell("blast", 6, 0)]) == {1: 0}
    assert match_cells(cells, [TrueCell("blast", 6, 0), TrueCell("blast", 3, 0)]) == {0: 1, 1: 0}


def test_a_position_beyond_the_reach_matches_no_cell() -> None:
    cell = Cell(0, 0, 10)
    assert match_cells([cell], [TrueCell("blast", 10 * REACH - 0.1, 0)]) == {0: 0}
    assert match_cells([cell], [TrueCell("blast", 10 * REACH + 0.1, 0)]) == {}


def test_a_cell_whose_nucleus_lies_anywhere_in_a_box_matches_it() -> None:
    box = TrueCell("neutrophil", 50, 50, 80, 60)
    assert match_cells([Cell(88, 75, 5)], [box]) == {0: 0}
    assert match_cells([Cell(92, 50, 5)], [box]) == {}


points = st.tuples(st.integers(0, 40), st.integers(0, 40))


@given(st.lists(points, max_size=8), st.lists(points, max_size=8))
@settings(max_examples=60)
def test_no_cell_and_no_truth_is_matched_twice(
    cells: list[tuple[int, int]], truth: list[tuple[int, int]]
) -> None:
    matches = match_cells([Cell(x, y, 6) for x, y in cells], [TrueCell("a", *p) for p in truth])
    assert len(set(matches.values())) == len(matches)
    assert set(matches) <= set(range(len(cells)))
    for cell in set(range(len(cells))) - set(matches):  # what is left over has no free neighbour
        for other in set(range(len(truth))) - set(matches.values()):
            across, down = (a - b for a, b in zip(cells[cell], truth[other], strict=True))
            assert (across**2 + down**2) ** 0.5 > 6 * REACH
