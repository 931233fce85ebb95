"""`hangs` starts `classify` many times and counts hangs, failures and wrong answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from alledge.benchmarks.internal.hangs import (
    expected_scores,
    main,
    run_starts,
    start_once,
    write_noise_images,
)
from alledge.runtime.backends import BACKENDS

STARTS, TIMEOUT_S = 50, 60.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_fifty_starts_end_with_the_right_answers(bundle: Path, backend: str) -> None:
    starts = list(run_starts(bundle, backend, STARTS, TIMEOUT_S, at_once=2))
    assert len(starts) == STARTS
    assert [start for start in starts if start.outcome != "ok"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="no signal prints the stacks on Windows")
def test_a_start_that_exceeds_the_time_limit_is_a_hang_with_its_stacks(
    bundle: Path, tmp_path: Path
) -> None:
    images = write_noise_images(tmp_path)
    start = start_once(bundle, "onnx", images, [], timeout_s=0.05)
    assert start.outcome == "hang"
    assert start.detail


def test_a_start_that_answers_with_other_scores_is_a_wrong_answer(
    bundle: Path, tmp_path: Path
) -> None:
    images = write_noise_images(tmp_path)
    expected = expected_scores(bundle, "onnx", images)
    assert start_once(bundle, "onnx", images, expected, TIMEOUT_S).outcome == "ok"
    blast = expected[-1]["blast"]
    expected[-1] = {"healthy": blast, "blast": 1 - blast}
    start = start_once(bundle, "onnx", images, expected, TIMEOUT_S)
    assert start.outcome == "wrong answer"
    assert str(blast) in start.detail


def test_a_start_without_an_answer_for_each_image_is_a_failure(
    bundle: Path, tmp_path: Path
) -> None:
    images = write_noise_images(tmp_path)
    expected = expected_scores(bundle, "onnx", images)
    Path(images[0]).write_bytes(b"not an image")
    start = start_once(bundle, "onnx", images, expected, TIMEOUT_S)
    assert start.outcome == "failure"
    assert "exit code 1" in start.detail


def test_the_exit_code_is_1_if_a_start_hangs(bundle: Path) -> None:
    words = [str(bundle), "--starts", "2", "--backend", "onnx", "--timeout"]
    result = CliRunner().invoke(main, [*words, "60"])
    assert result.exit_code == 0, result.output
    counts = {"starts": 2, "hangs": 0, "failures": 0, "wrong_answers": 0}
    assert json.loads(result.stdout) == {"backend": "onnx", **counts}
    result = CliRunner().invoke(main, [*words, "0.05"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["hangs"] == 2
