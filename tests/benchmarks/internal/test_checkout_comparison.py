"""`checkout_comparison` runs two checkouts in turn and gives paired ratios."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from alledge.benchmarks.internal import checkout_comparison
from alledge.benchmarks.internal.checkout_comparison import (
    checkout_environment,
    images_per_second,
    main,
)
from alledge.benchmarks.internal.paired_measurement import alternate

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def other_checkout(tmp_path: Path) -> Path:
    """A second path to this checkout."""
    (tmp_path / "other").mkdir()
    checkout = tmp_path / "other" / "alledge"
    try:
        checkout.symlink_to(ROOT, target_is_directory=True)
    except OSError:
        pytest.skip("this user may not create links")
    return checkout


@pytest.mark.skipif(ROOT.name != "alledge", reason="the checkout's folder has another name")
def test_a_checkout_compared_with_itself_gives_three_ratios(
    bundle: Path, other_checkout: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), (200, 150, 160)).save(tmp_path / "field.png")
    words = [other_checkout, bundle, tmp_path / "field.png", "--backend", "onnx"]
    words += ["--rounds", "2", "--count", "20", "--threads", "2"]
    result = CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["measure"] for row in rows] == ["cold_start_ms", "peak_mib", "images_per_s"]
    for row in rows:
        assert row["rounds"] == 2
        assert row["low"] <= row["ratio"] <= row["high"]
        assert row["this"] > 0
        assert row["other"] > 0


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "alledge").mkdir()
    with pytest.raises(click.ClickException, match="Python imports"):
        checkout_environment(tmp_path / "alledge")


def test_a_run_that_hangs_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first start never ends. It leaves a file, so that the second start answers."""
    code = (
        "import pathlib, threading\n"
        f"mark = pathlib.Path({str(tmp_path / 'started')!r})\n"
        "if not mark.exists():\n"
        "    mark.touch()\n"
        "    threading.Event().wait()\n"
        "for line in range(30):\n"
        "    print(line, flush=True)\n"
    )
    environment = {**checkout_comparison.ENVIRONMENT, "PYTHONPATH": "checkout"}
    command = [sys.executable, "-c", code]
    assert images_per_second(command, 2, environment, timeout_s=2.0) > 0
    assert "checkout: no end within 2 s, measured again" in capsys.readouterr().err


def test_the_first_of_a_round_changes_from_round_to_round() -> None:
    calls: list[str] = []
    firsts, seconds = alternate(lambda: calls.append("a"), lambda: calls.append("b"), 3)
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert len(firsts) == len(seconds) == 3
