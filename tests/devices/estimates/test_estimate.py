"""Estimates and recommendations: labelled, with a validated error band, within the limits."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.devices.estimates import estimate, roofline, validation
from alledge.devices.estimates import recommend as recommendation
from alledge.devices.estimates.recommend import comparison_text, read_results, recommend
from alledge.devices.profiles import get_profile, profiles
from alledge.errors import DataError, UsageError
from support.results import complete_result

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = ROOT / "runtime" / "schemas"

# Operations of the networks at 224 x 224 without their heads, 1e9: twice the multiply-adds of
# the papers and of Keras' documentation.
KNOWN_GOPS = {
    "mobilenetv2": 0.60,
    "densenet201": 8.6,
    "resnet101v2": 14.4,
    "vgg16": 30.7,
    "vgg19": 39.0,
    "inceptionv3": 5.7,
}


def run(*arguments):
    """Return what the command printed, after checking that it was well."""
    result = CliRunner().invoke(main, [*arguments])
    assert result.exit_code == 0, result.output
    return result.output


def models():
    """Return the layers of the models of the roofline calibration."""
    return roofline.roofline_calibration()["models"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Run in an empty folder, without a `measured/benchmark.json`."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("model", models())
def test_the_operations_of_a_network_are_those_of_its_publication(model):
    total = sum(row[1] * row[4] for row in models()[model]) / 1e9
    assert total == pytest.approx(KNOWN_GOPS[model], rel=0.03)


def ratios(rows):
    """Return the ratios estimated / known of the rows that are not bounds."""
    return [row.ratio for row in rows if not row.is_bound]


def test_the_error_band_is_the_range_of_the_validated_ratios():
    """Outside these bounds the printed band and the documentation would be wrong."""
    boards, models_left_out = (
        ratios(validation.leave_one_board_out()),
        ratios(validation.leave_one_model_out()),
    )
    two_threads = ratios(validation.two_thread_comparisons())
    assert 0.6 < min(boards) < max(boards) < 1.7
    assert 0.75 < min(models_left_out) < max(models_left_out) < 1.5
    assert 0.45 < min(two_threads) < max(two_threads) < 2.1
    assert validation.error_band("x86_64", 1) == (min(models_left_out), max(models_left_out))
    assert validation.error_band("x86_64", 4) == (
        min(models_left_out + two_threads),
        max(models_left_out + two_threads),
    )
    assert validation.error_band("aarch64", 1) == (min(boards), max(boards))
    assert validation.error_band("aarch64", 4) == (
        min(boards + two_threads),
        max(boards + two_threads),
    )


def test_boards_reach_about_half_of_the_roofline_speed_and_the_calibrated_architecture_all_of_it():
    assert 0.4 < validation.board_factor() < 0.7
    assert validation.speed_factor("aarch64") == validation.board_factor()
    assert validation.speed_factor(roofline.roofline_calibration()["machine"]["arch"]) == 1


def test_leaving_a_board_out_changes_the_board_factor():
    boards = {row.device for row in validation.PUBLIC_FIGURES if not row.is_bound}
    assert len(boards) >= 3
    assert len({validation.board_factor(board) for board in boards}) == len(boards)


def test_an_upper_bound_exceeds_the_estimate_and_does_not_change_the_board_factor(monkeypatch):
    assert all(row.ratio < 1 for row in validation.leave_one_board_out() if row.is_bound)
    factor = validation.board_factor()
    alone = tuple(row for row in validation.PUBLIC_FIGURES if not row.is_bound)
    monkeypatch.setattr(validation, "PUBLIC_FIGURES", alone)
    assert validation.board_factor() == factor


def test_every_public_figure_names_its_assumptions():
    for row in validation.leave_one_board_out():
        assert "assumed" in row.note or "int8" in row.note or "upper bound" in row.note


def test_the_documentation_contains_the_printed_comparison():
    """After a new calibration, copy the output of `alledge devices recommend --compare`."""
    assert comparison_text() in (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")


def test_estimated_memory_is_within_a_quarter_of_the_measured_memory():
    for row in roofline.roofline_calibration()["rows"]:
        if row["backend"] == "tflite" and row["precision"] in roofline.PRECISIONS:
            estimated_mib = estimate.memory_mib(models()[row["model"]], row["precision"])
            assert 0.8 < estimated_mib / row["peak_mib"] < 1.25


def test_an_estimate_is_labelled_and_its_interval_is_the_error_band():
    pi_5 = estimate.estimate(models()["vgg16"], "int8", get_profile("raspberry-pi-5"))
    low, high = validation.error_band("aarch64", 4)
    assert pi_5["kind"] == "estimated"
    assert pi_5["low_ms"] == pytest.approx(pi_5["ms"] / high)
    assert pi_5["high_ms"] == pytest.approx(pi_5["ms"] / low)
    assert f"{low:.2f} to {high:.2f}" in pi_5["basis"]
    assert "none of a board with dot products" in pi_5["basis"]
    pi_4 = estimate.estimate(models()["vgg16"], "int8", get_profile("raspberry-pi-4"))
    assert "dot products" not in pi_4["basis"]


def test_a_faster_board_and_a_smaller_model_are_estimated_faster():
    four, five = get_profile("raspberry-pi-4"), get_profile("raspberry-pi-5")
    for layers in models().values():
        for precision in roofline.PRECISIONS:
            assert (
                estimate.estimate(layers, precision, five)["ms"]
                < estimate.estimate(layers, precision, four)["ms"]
            )
    vgg = estimate.estimate(models()["vgg16"], "float32", four)["ms"]
    assert vgg > estimate.estimate(models()["mobilenetv2"], "float32", four)["ms"]


def test_vgg19_takes_about_a_fifth_longer_than_vgg16():
    for board in ("raspberry-pi-4", "jetson-nano", "office-pc-linux"):
        times = [
            estimate.estimate(models()[name], "float32", get_profile(board))["ms"]
            for name in ("vgg16", "vgg19")
        ]
        assert 1.1 < times[1] / times[0] < 1.35


def test_a_precision_that_was_never_measured_is_not_estimated():
    with pytest.raises(UsageError):
        estimate.estimate(models()["vgg16"], "int4", get_profile("raspberry-pi-5"))


def result(**changes):
    """Return a benchmark document of one measured row and a failed one."""
    row = {
        "kind": "measured",
        "status": "ok",
        "model": "mobilenetv2",
        "precision": "int8",
        "backend": "tflite",
        "threads": 4,
        "latency": {"p50_ms": 12.5, "ci": {"low": 12.0, "high": 13.0}},
        "peak_mib": 80.0,
    }
    machine = {
        "board": "Raspberry Pi 5 Model B",
        "cpu": "4 x Cortex-A76",
        "arch": "aarch64",
        "flags": ["asimd"],
        "cores_physical": 4,
        "versions": {},
    }
    failed = {**row, "status": "failed", "latency": None}
    return complete_result(machine, [{**row, **changes}, failed])


def write(path, document):
    """Write a document, and return its path as text."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def test_measured_rows_come_before_estimates(tmp_path):
    file = write(tmp_path / "pi5.json", result())
    output = run("devices", "recommend", "--max-latency-ms", "200", "--results", file, "--json")
    document = json.loads(output)
    schema = json.loads((SCHEMAS / "recommend.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    first, *others = document["rows"]
    assert (first["kind"], first["ms"], first["device"]) == ("measured", 12.5, "raspberry-pi-5")
    kinds = [row["kind"] for row in others]
    assert kinds == sorted(kinds, reverse=True)
    beside = [row for row in others if row["device"] == "raspberry-pi-5"]
    assert ("mobilenetv2", "int8") not in {(row["model"], row["precision"]) for row in beside}
    assert {row["kind"] for row in beside} == {"estimated"}


def test_without_results_the_rows_of_the_calibration_machine_come_first():
    limits = ("--max-latency-ms", "200", "--max-memory-mib", "300")
    document = json.loads(run("devices", "recommend", *limits, "--json"))
    first = document["rows"][0]
    assert first["kind"] == "measured"
    assert first["device"].startswith("calibration machine (")
    assert "calibration machine" in run("devices", "recommend", *limits)


def test_a_result_in_its_default_place_is_read_once_whether_or_not_it_is_named(tmp_path):
    (tmp_path / "measured").mkdir()
    file = write(tmp_path / "measured" / "benchmark.json", result())
    for named in ((), ("--results", file)):
        text = run("devices", "recommend", "--device", "raspberry-pi-5", "--json", *named)
        kinds = [row["kind"] for row in json.loads(text)["rows"]]
        assert kinds.count("measured") == 1


def test_the_memory_of_a_known_board_is_a_limit_and_an_unknown_machine_has_its_own_name(tmp_path):
    large = read_results([Path(write(tmp_path / "a.json", result(peak_mib=5000.0)))])
    assert recommend(large, None, None)["rows"] == []
    document = result()
    document["machine"] |= {"board": None, "cpu": "Something", "arch": "x86_64"}
    (row,) = read_results([Path(write(tmp_path / "b.json", document))])
    assert row["device"] == "Something"


def test_a_board_that_cannot_run_alledge_is_refused_with_the_reason():
    result = CliRunner().invoke(main, ["devices", "recommend", "--device", "jetson-nano"])
    assert result.exit_code == 2
    assert profiles()["jetson-nano"].why in result.output


def estimated_row():
    """Return an estimated row of a Raspberry Pi 5."""
    return {
        "kind": "estimated",
        "device": "raspberry-pi-5",
        "model": "m",
        "precision": "int8",
        "ms": 100.0,
        "low_ms": 50.0,
        "high_ms": 300.0,
        "memory_mib": 100.0,
    }


@pytest.mark.parametrize("system_share", [0.25, 0.5, 0.75])
def test_a_model_may_use_the_memory_that_the_system_does_not(monkeypatch, system_share):
    monkeypatch.setattr(recommendation, "SYSTEM_MEMORY_SHARE", system_share)
    free_mib = get_profile("raspberry-pi-5").mib * (1 - system_share)
    fits = {**estimated_row(), "memory_mib": free_mib - 1}
    does_not_fit = {**estimated_row(), "memory_mib": free_mib + 1}
    rows = recommend([fits, does_not_fit], None, None)["rows"]
    assert [row["memory_mib"] for row in rows] == [free_mib - 1]


def test_rows_beyond_a_limit_are_left_out_and_an_interval_that_crosses_it_is_perhaps():
    row = estimated_row()
    assert recommend([row], 200, 300)["rows"][0]["holds"] == "perhaps"
    assert recommend([row], 301, 300)["rows"][0]["holds"] == "yes"
    assert recommend([row], 99, 300)["rows"] == []
    assert recommend([row], 200, 99)["rows"] == []


def test_the_text_labels_estimates_and_states_their_error():
    text = run("devices", "recommend", "--device", "raspberry-pi-5", "--max-latency-ms", "5000")
    assert "times what was measured or published" in text
    assert "estimated" in text
    assert "nothing" in run("devices", "recommend", "--max-latency-ms", "0.001")
    assert comparison_text() in run("devices", "recommend", "--compare")


def test_a_file_that_is_not_a_result_is_refused(tmp_path):
    file = tmp_path / "x.json"
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"x\.json is a document without a schema, not 'alledge/benchmark'"
    ):
        read_results([file])
