"""Labels cover neither a nucleus nor another label, and stay inside the picture."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from alledge.runtime.overlay.cell_marks import Disc
from alledge.runtime.overlay.label_placement import LabelPlacement, Place

WIDTH, HEIGHT = 300, 200
discs = st.lists(
    st.builds(Disc, st.floats(0, WIDTH), st.floats(0, HEIGHT), st.floats(3, 60)),
    min_size=1,
    max_size=30,
)


def overlap(one: Place, two: Place) -> bool:
    return (
        one.left < two.left + two.width
        and two.left < one.left + one.width
        and one.top < two.top + two.height
        and two.top < one.top + one.height
    )


def distance(place: Place, disc: Disc) -> float:
    """Return the distance of a label from the centre of a nucleus."""
    x = min(max(disc.x, place.left), place.left + place.width - 1)
    y = min(max(disc.y, place.top), place.top + place.height - 1)
    return math.hypot(x - disc.x, y - disc.y)


@given(discs, st.integers(8, 60), st.integers(8, 24))
def test_labels_cover_no_nucleus_and_no_label_and_stay_inside(
    nuclei: list[Disc], width: int, height: int
) -> None:
    placement = LabelPlacement((WIDTH, HEIGHT), nuclei, line=1.0)
    places = [place for disc in nuclei if (place := placement.take(disc, width, height))]
    for index, place in enumerate(places):
        assert place.left >= 0
        assert place.top >= 0
        assert place.left + place.width <= WIDTH
        assert place.top + place.height <= HEIGHT
        assert not any(overlap(place, other) for other in places[:index])
        assert all(distance(place, disc) > disc.radius for disc in nuclei)


def test_a_label_far_from_its_cell_has_a_line_to_it() -> None:
    middle = Disc(150, 100, 10)
    near = LabelPlacement((WIDTH, HEIGHT), [middle], line=1.0).take(middle, 40, 12)
    assert near is not None
    assert near.leader is None
    others = [
        Disc(150 + 34 * math.cos(turn), 100 + 34 * math.sin(turn), 12)
        for turn in [step * math.pi / 4 for step in range(8)]
    ]
    far = LabelPlacement((WIDTH, HEIGHT), [middle, *others], line=1.0).take(middle, 40, 12)
    assert far is None or far.leader is not None


def test_a_cell_without_room_gets_no_place() -> None:
    cell = Disc(10, 10, 8)
    assert LabelPlacement((20, 20), [cell], line=1.0).take(cell, 40, 12) is None
