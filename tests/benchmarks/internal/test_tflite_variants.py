"""The command that compares ways to quantize for TFLite, on the small run."""

import sys

import numpy as np
import pytest

from alledge.benchmarks.internal.converters import tflite_variants
from alledge.train.runs.run_folder import Run


def test_every_way_has_a_row_and_onnx_has_no_difference_to_itself(
    tiny_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tflite_variants", str(tiny_run.path)])
    tflite_variants.main()
    rows = capsys.readouterr().out.splitlines()[2:]
    cells = [[text.strip() for text in row.strip("|").split("|")] for row in rows]
    names, largest = [row[0] for row in cells], {row[0]: float(row[2]) for row in cells}
    assert names == [tflite_variants.ONNX, *tflite_variants.WAYS]
    assert cells[0][-1] == "0.00"
    assert all(0 <= value < 0.5 for value in largest.values())


def test_pictures_are_mirrored_in_both_directions() -> None:
    images = np.arange(2 * 3 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 3)
    four = tflite_variants.mirrored(images)
    assert len({picture.tobytes() for picture in four}) == 8
    assert np.array_equal(four[:2], images)
    assert np.array_equal(four[2:4], images[:, ::-1])
