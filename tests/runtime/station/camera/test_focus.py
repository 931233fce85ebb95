"""Focus and exposure: a new field is taken once, when it stands still and is sharp."""

from __future__ import annotations

import numpy as np
import pytest

from alledge.runtime.station.camera.focus import SettledFocus, measure_frame
from support.recordings import FOCUSED, NEVER_SHARP, RATE, field, frames_of, stage


def taken(plan: list[tuple[int, list[float]]]) -> list[int]:
    """Return the numbers of the frames that are taken."""
    focus = SettledFocus()
    return [
        number
        for number, frame in enumerate(stage(plan))
        if focus.update(measure_frame(frame), number / RATE)
    ]


def test_each_field_is_taken_once_when_it_is_sharp() -> None:
    numbers = taken([(1, FOCUSED), (2, FOCUSED), (3, FOCUSED)])
    assert [number // len(FOCUSED) for number in numbers] == [0, 1, 2]
    assert all(number % len(FOCUSED) >= 15 for number in numbers)  # not while it gets sharp


def test_a_field_that_is_left_out_of_focus_is_not_taken() -> None:
    assert taken([(1, NEVER_SHARP)]) == []
    assert len(taken([(1, NEVER_SHARP), (2, FOCUSED)])) == 1


def test_a_stage_that_moves_is_not_taken() -> None:
    assert taken([(seed, [0.0]) for seed in range(60)]) == []


def test_the_same_field_is_taken_again_only_if_it_is_much_sharper() -> None:
    assert len(taken([(1, [2.5] * 40), (1, [0.0] * 40)])) == 2
    assert len(taken([(1, [0.1] * 40), (1, [0.0] * 40)])) == 1


def test_sharpness_falls_with_blur_and_not_with_light() -> None:
    values = [
        measure_frame(np.asarray(next(frames_of(field(1), [blur], 0)))).sharpness
        for blur in (0.0, 0.5, 1.0, 2.0)
    ]
    assert values == sorted(values, reverse=True)
    frame = np.asarray(field(1))
    dim = (frame * 0.7).astype(np.uint8)
    assert measure_frame(dim).sharpness == pytest.approx(measure_frame(frame).sharpness, rel=0.1)


@pytest.mark.parametrize(
    ("background", "light", "exposure"),
    [(225, 0.3, "dark"), (225, 1.0, "good"), (255, 1.0, "bright")],
)
def test_exposure_is_that_of_the_background(background: int, light: float, exposure: str) -> None:
    frame = (np.asarray(field(1, background)) * light).astype(np.uint8)
    assert measure_frame(frame).exposure == exposure


@pytest.mark.parametrize("shape", [(3, 3), (7, 500), (1944, 2592)])
def test_frames_of_any_size_are_measured(shape: tuple[int, int]) -> None:
    frame = np.full((*shape, 3), 200, np.uint8)
    assert measure_frame(frame).sharpness == pytest.approx(0.0, abs=1e-6)
