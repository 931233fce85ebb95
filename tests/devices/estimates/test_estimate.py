"""Estimates: labelled, with an error band that is counted and not assumed."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.devices.estimates import estimate, evidence, roofline
from alledge.devices.estimates.layer_costs import Layer, count_equal_layers
from alledge.devices.estimates.recommend import comparison_text, read_results, recommend
from alledge.devices.profiles import get_profile, profiles
from alledge.errors import DataError, UsageError

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
    done = CliRunner().invoke(main, [*arguments])
    assert done.exit_code == 0, done.output
    return done.output


def models():
    """Return the layers of the calibrated models."""
    return roofline.calibration()["models"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No result of the checkout joins the answers."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("model", models())
def test_operations_read_from_the_graph_are_those_the_network_is_known_for(model):
    total = sum(row[1] * row[4] for row in models()[model]) / 1e9
    assert total == pytest.approx(KNOWN_GOPS[model], rel=0.03)


def ratios(rows):
    """Return estimate / known of rows, those that are only bounds left out."""
    return [row.ratio for row in rows if not row.is_bound]


def test_the_ratios_to_what_is_known_stay_where_they_are():
    """Beyond these the printed band would be another, and the documentation wrong."""
    public, here = ratios(evidence.on_boards()), ratios(evidence.here())
    both = ratios(evidence.here_on_two_threads())
    assert 0.6 < min(public) < max(public) < 1.7
    assert 0.75 < min(here) < max(here) < 1.5
    assert 0.45 < min(both) < max(both) < 2.1
    assert evidence.band("x86_64", 1) == (min(here), max(here))
    assert evidence.band("x86_64", 4) == (min(here + both), max(here + both))
    assert evidence.band("aarch64", 1) == (min(public), max(public))
    assert evidence.band("aarch64", 4) == (min(public + both), max(public + both))


def test_boards_reach_about_half_of_the_roofline_and_the_machine_itself_all_of_it():
    assert 0.4 < evidence.board_factor() < 0.7
    assert evidence.factor_of("aarch64") == evidence.board_factor()
    assert evidence.factor_of(roofline.calibration()["machine"]["arch"]) == 1


def test_a_board_does_not_vote_on_the_factor_that_it_is_estimated_with():
    boards = {row.device for row in evidence.PUBLIC if not row.is_bound}
    assert len(boards) >= 3
    assert len({evidence.board_factor(board) for board in boards}) == len(boards)


def test_a_camera_loop_is_a_bound_that_no_estimate_exceeds_and_that_decides_nothing(monkeypatch):
    assert all(row.ratio < 1 for row in evidence.on_boards() if row.is_bound)
    factor = evidence.board_factor()
    alone = tuple(row for row in evidence.PUBLIC if not row.is_bound)
    monkeypatch.setattr(evidence, "PUBLIC", alone)
    assert evidence.board_factor() == factor


def test_what_is_assumed_of_a_figure_is_said_beside_it():
    for row in evidence.on_boards():
        assert "assumed" in row.note or "int8" in row.note or "upper bound" in row.note


def test_the_documentation_shows_the_table_that_is_printed():
    """Where it fails after a calibration: put `alledge devices recommend --compare` there."""
    assert comparison_text() in (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")


def test_estimated_memory_is_near_what_was_measured():
    for row in roofline.calibration()["rows"]:
        if row["backend"] == "tflite" and row["precision"] in roofline.PRECISIONS:
            ours = estimate.memory_mib(models()[row["model"]], row["precision"])
            assert 0.8 < ours / row["peak_mib"] < 1.25


def test_every_estimate_is_labelled_and_carries_its_band():
    found = estimate.estimate(models()["vgg16"], "int8", get_profile("raspberry-pi-5"))
    low, high = evidence.band("aarch64", 4)
    assert found["kind"] == "estimated"
    assert found["low_ms"] == pytest.approx(found["ms"] / high)
    assert found["high_ms"] == pytest.approx(found["ms"] / low)
    assert f"{low:.2f} to {high:.2f}" in found["basis"]
    assert "none of a board with dot products" in found["basis"]
    four = estimate.estimate(models()["vgg16"], "int8", get_profile("raspberry-pi-4"))
    assert "dot products" not in four["basis"]


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


def test_vgg19_takes_about_a_fifth_longer_than_vgg16_as_in_every_table():
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
    """Return a benchmark's document, as far as it is read here."""
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
    return {
        "schema": "alledge/benchmark",
        "created": "2026-01-01T00:00:00Z",
        "machine": machine,
        "rows": [{**row, **changes}, {**row, "status": "failed", "latency": None}],
    }


def write(path, document):
    """Write a document, and return its path as text."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def test_measured_results_stand_before_estimates(tmp_path):
    file = write(tmp_path / "pi5.json", result())
    output = run("devices", "recommend", "--max-latency-ms", "200", "--results", file, "--json")
    document = json.loads(output)
    schema = json.loads((SCHEMAS / "recommend.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    first, *others = document["rows"]
    assert (first["kind"], first["ms"], first["device"]) == (
        *("measured", 12.5),
        "raspberry-pi-5",
    )
    kinds = [row["kind"] for row in others]
    assert kinds == sorted(kinds, reverse=True)
    beside = [row for row in others if row["device"] == "raspberry-pi-5"]
    assert ("mobilenetv2", "int8") not in {(row["model"], row["precision"]) for row in beside}
    assert {row["kind"] for row in beside} == {"estimated"}


def test_a_question_without_results_is_answered_from_what_was_measured_first():
    limits = ("--max-latency-ms", "200", "--max-memory-mib", "300")
    document = json.loads(run("devices", "recommend", *limits, "--json"))
    first = document["rows"][0]
    assert first["kind"] == "measured"
    assert first["device"].startswith("calibration machine (")
    assert "calibration machine" in run("devices", "recommend", *limits)


def test_a_result_in_its_usual_place_is_read_without_being_named(tmp_path):
    (tmp_path / "measured").mkdir()
    file = write(tmp_path / "measured" / "benchmark.json", result())
    for named in ((), ("--results", file)):
        text = run("devices", "recommend", "--device", "raspberry-pi-5", "--json", *named)
        kinds = [row["kind"] for row in json.loads(text)["rows"]]
        assert kinds.count("measured") == 1


def test_a_known_board_is_held_to_its_memory_and_an_unknown_machine_keeps_its_name(tmp_path):
    large = read_results([Path(write(tmp_path / "a.json", result(peak_mib=5000.0)))])
    assert recommend(large, None, None)["rows"] == []
    document = result()
    document["machine"] |= {"board": None, "cpu": "Something", "arch": "x86_64"}
    (row,) = read_results([Path(write(tmp_path / "b.json", document))])
    assert row["device"] == "Something"


def test_a_board_that_cannot_run_alledge_is_answered_with_the_reason():
    done = CliRunner().invoke(main, ["devices", "recommend", "--device", "jetson-nano"])
    assert done.exit_code == 2
    assert profiles()["jetson-nano"].why in done.output


def test_limits_are_held_and_a_band_that_crosses_one_is_only_perhaps():
    row = {
        **{"kind": "estimated", "device": "raspberry-pi-5", "model": "m", "precision": "int8"},
        **{"ms": 100.0, "low_ms": 50.0, "high_ms": 300.0, "memory_mib": 100.0},
    }
    assert recommend([row], 200, 300)["rows"][0]["holds"] == "perhaps"
    assert recommend([row], 301, 300)["rows"][0]["holds"] == "yes"
    assert recommend([row], 99, 300)["rows"] == []
    assert recommend([row], 200, 99)["rows"] == []


def test_the_page_says_estimated_and_how_wrong():
    text = run("devices", "recommend", "--device", "raspberry-pi-5", "--max-latency-ms", "5000")
    assert "times what was measured or published" in text
    assert "estimated" in text
    assert "nothing" in run("devices", "recommend", "--max-latency-ms", "0.001")
    assert comparison_text() in run("devices", "recommend", "--compare")


def test_a_file_that_is_no_result_is_named(tmp_path):
    file = tmp_path / "x.json"
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="not a benchmark's result"):
        read_results([file])


def test_equal_layers_are_kept_once():
    layer = Layer("dense", 10, 5, 5)
    assert count_equal_layers([layer, layer]) == [("dense", 10, 5, 5, 2)]
