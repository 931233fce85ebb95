"""`make bench-compare` names regressions. It ignores noise and slow machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result

from alledge import runtime
from alledge.benchmarks.internal.baseline_comparison import BASELINES, main, measure_slowdown
from alledge.benchmarks.machine_identity import describe_this_machine, differences

SCHEMA = Path(runtime.__file__).parent / "schemas" / "suite-baseline.json"


def write_pass(
    path: Path, scale: float = 1.0, machine: float = 1.0, others: float = 0.0, **changes: Any
) -> Path:
    """Write JSON as pytest-benchmark does: `machine` slows everything, `scale` only decoding."""
    rng = np.random.default_rng(len(path.name) + int(path.stem[-1]))
    rows = []
    for name, seconds in (("decode", 0.010 * scale), ("inference", 0.002)):
        median = seconds * machine * rng.uniform(0.98, 1.02)
        noise = {"calibration_ms": 5.0 * machine, "others_cores": others, "stolen_cores": None}
        extra = {"noise": noise}
        rows.append({"name": name, "stats": {"median": median}, "extra_info": extra})
    document = {"alledge_machine": {**describe_this_machine(), **changes}, "benchmarks": rows}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def baselines(tmp_path: Path) -> Path:
    folder = tmp_path / "baselines"
    folder.mkdir()
    passes = [write_pass(tmp_path / f"base-{number}.json") for number in range(3)]
    assert run(*passes, "--save", "--baselines", folder).exit_code == 0
    return folder


def passes(folder: Path, **changes: Any) -> list[Path]:
    return [write_pass(folder / f"now-{number}.json", **changes) for number in range(3)]


def test_a_saved_baseline_is_a_valid_document(baselines: Path) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for path in (*baselines.glob("*.json"), *BASELINES.glob("baseline-*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema).validate(document)


def test_a_baseline_is_not_saved_from_disturbed_passes(tmp_path: Path) -> None:
    answer = run(*passes(tmp_path, others=1.0), "--save", "--baselines", tmp_path / "baselines")
    assert answer.exit_code == 1
    assert "other programs used the CPU in every pass of decode, inference" in answer.output
    assert not (tmp_path / "baselines").exists()


def test_the_same_speed_is_no_regression(baselines: Path, tmp_path: Path) -> None:
    answer = run(*passes(tmp_path), "--baselines", baselines)
    assert answer.exit_code == 0
    assert "REGRESSION" not in answer.output


def test_a_slower_benchmark_is_named(baselines: Path, tmp_path: Path) -> None:
    answer = run(*passes(tmp_path, scale=1.4), "--baselines", baselines)
    assert answer.exit_code == 1
    assert "slower beyond the noise: decode\n" in answer.output


def test_a_lenient_comparison_names_the_slower_benchmark_and_exits_with_0(
    baselines: Path, tmp_path: Path
) -> None:
    answer = run(*passes(tmp_path, scale=1.4), "--baselines", baselines, "--lenient")
    assert answer.exit_code == 0
    assert "slower beyond the noise: decode\n" in answer.output
    assert "make bench-compare" in answer.output


def test_a_single_pass_is_compared(baselines: Path, tmp_path: Path) -> None:
    answer = run(passes(tmp_path)[0], "--baselines", baselines, "--lenient")
    assert answer.exit_code == 0
    assert "× the baseline" in answer.output


def test_a_machine_that_is_slow_today_is_no_regression(baselines: Path, tmp_path: Path) -> None:
    assert run(*passes(tmp_path, machine=2.5), "--baselines", baselines).exit_code == 0


def test_passes_that_other_programs_disturbed_are_not_compared(
    baselines: Path, tmp_path: Path
) -> None:
    answer = run(*passes(tmp_path, scale=3.0, others=1.0), "--baselines", baselines)
    assert answer.exit_code == 0
    assert answer.output.count("disturbed  ") == 2


def test_without_a_comparable_baseline_nothing_is_compared(baselines: Path, tmp_path: Path) -> None:
    now = passes(tmp_path, scale=3.0, cpu="another")
    answer = run(*now, "--baselines", baselines)
    assert answer.exit_code == 0
    assert "there is no baseline of a comparable machine" in answer.output
    assert "cpu: another here" in answer.output


@pytest.mark.parametrize("change", [{"governor": "powersave"}, {"flags": ["avx2", "unheard_of"]}])
def test_other_flags_or_governor_make_machines_incomparable(
    baselines: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    answer = run(*passes(tmp_path, scale=3.0, **change), "--baselines", baselines)
    assert answer.exit_code == 0
    assert f"{next(iter(change))}: " in answer.output


def test_only_the_differing_flags_are_named() -> None:
    one, other = {"flags": ["avx", "fma"]}, {"flags": ["avx"]}
    assert differences(one, other) == ["flags: fma here only"]


def test_a_slowdown_within_the_noise_is_no_regression() -> None:
    assert not measure_slowdown([1.0, 2.0, 0.5], [1.0, 0.6, 0.4]).is_regression
    assert measure_slowdown([1.30, 1.31, 1.29], [1.0, 1.01, 0.99]).is_regression
    assert not measure_slowdown([1.05, 1.051, 1.049], [1.0, 1.001, 0.999]).is_regression
    assert not measure_slowdown([9.0], [1.0]).is_regression


def test_a_single_pass_has_an_interval_from_the_baselines_variance() -> None:
    slowdown = measure_slowdown([1.30], [1.0, 1.01, 0.99])
    assert 1 < slowdown.low < slowdown.ratio < slowdown.high < 2
    assert slowdown.is_regression


def test_a_file_of_another_suite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"benchmarks": []}', encoding="utf-8")
    answer = run(tmp_path / "other.json")
    assert answer.exit_code == 1
    assert "is not what this suite writes" in answer.output
