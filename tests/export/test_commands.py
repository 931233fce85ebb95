import pytest
from click.testing import CliRunner

from alledge.cli import main


def run(*words: str):
    return CliRunner().invoke(main, ["export", *words])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_no_run_says_what_to_type_and_exports_nothing(tmp_path):
    said = run("--model", "mobilenetv2", "--int8")
    assert said.exit_code == 1
    assert "there is no finished run of mobilenetv2" in said.stderr
    assert "alledge train --model mobilenetv2 --data" in said.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_model_names_the_nearest():
    said = run("--model", "mobilnetv2", "--int8")
    assert said.exit_code == 2
    assert "mobilenetv2" in said.stderr


def test_neither_model_nor_run_is_wrong_usage():
    said = run("--int8")
    assert said.exit_code == 2
    assert "neither a model nor a run" in said.stderr


def test_a_format_that_cannot_do_a_precision_is_refused_with_a_reason():
    said = run("--model", "mobilenetv2", "--dynamic", "--format", "openvino")
    assert said.exit_code == 2
    assert "openvino cannot do dynamic" in said.stderr


def test_a_run_of_another_model_is_refused(tiny_run):
    said = run("--run", str(tiny_run.path), "--model", "vgg16")
    assert said.exit_code == 2
    assert "the model mobilenetv2, not vgg16" in said.stderr


def test_a_run_is_exported_into_a_bundle_and_the_next_step_is_told(tiny_run, tmp_path):
    out = tmp_path / "b"
    said = run("--run", str(tiny_run.path), "--format", "tflite", "--out", str(out))
    assert said.exit_code == 0, said.stderr
    assert f"alledge verify {out}" in said.stdout
    assert "tflite" in said.stdout
    assert "float graph" in said.stderr
    assert (out / "bundle.json").is_file()


def test_two_precisions_are_wrong_usage():
    said = run("--model", "mobilenetv2", "--int8", "--float16")
    assert said.exit_code == 2
    assert "two precisions were named: int8, float16" in said.stderr
    assert "fix: --int8, then another export with --float16" in said.stderr


def test_a_format_that_is_left_out_because_it_cannot_is_told_with_its_reason(tiny_run, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("years", encoding="utf-8")
    words = ("--run", str(tiny_run.path), "--dynamic", "--out", str(tmp_path / "taken"))
    said = run(*words)
    assert said.exit_code == 2
    assert "openvino refused: OpenVINO quantizes activations as they come only" in said.stderr
    assert "openvino" not in run(*words, "--format", "onnx").stderr
