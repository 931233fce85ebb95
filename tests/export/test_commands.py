"""The command `alledge export`: its options, messages and exit codes."""

import shutil

import pytest
from click.testing import CliRunner

from alledge.cli import main


def run(*words: str):
    return CliRunner().invoke(main, ["export", *words])


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_without_a_run_the_error_names_the_command_to_type(tmp_path):
    result = run("--model", "mobilenetv2", "--int8")
    assert result.exit_code == 1
    assert "there is no finished run of mobilenetv2" in result.stderr
    assert "alledge train --model mobilenetv2 --data" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_model_names_the_nearest():
    result = run("--model", "mobilnetv2", "--int8")
    assert result.exit_code == 2
    assert "mobilenetv2" in result.stderr


def test_neither_model_nor_run_is_wrong_usage():
    result = run("--int8")
    assert result.exit_code == 2
    assert "neither a model nor a run" in result.stderr


def test_a_format_that_cannot_do_a_precision_is_refused_with_a_reason():
    result = run("--model", "mobilenetv2", "--dynamic", "--format", "openvino")
    assert result.exit_code == 2
    assert "openvino cannot do dynamic" in result.stderr


def test_a_run_of_another_model_is_refused(tiny_run):
    result = run("--run", str(tiny_run.path), "--model", "vgg16")
    assert result.exit_code == 2
    assert "the model mobilenetv2, not vgg16" in result.stderr


def test_a_run_is_exported_and_the_next_command_is_printed(tiny_run, tmp_path):
    out = tmp_path / "b"
    result = run("--run", str(tiny_run.path), "--format", "tflite", "--out", str(out))
    assert result.exit_code == 0, result.stderr
    assert f"alledge verify {out}" in result.stdout
    assert "tflite" in result.stdout
    assert "float graph" in result.stderr
    assert (out / "bundle.json").is_file()


def test_only_runs_of_the_wanted_task_are_exported(tiny_cell_run, tiny_run, tmp_path):
    missing = run("--model", "mobilenetv2", "--task", "cell")
    assert missing.exit_code == 1
    assert "alledge train --model mobilenetv2 --task cell --data" in missing.stderr
    shutil.copytree(tiny_cell_run.path, tmp_path / "runs" / "mobilenetv2" / "1")
    other = run("--model", "mobilenetv2")
    assert other.exit_code == 1
    assert "with the task field under runs, only one with the task cell" in other.stderr
    assert "--task cell" in other.stderr
    wrong = run("--run", str(tiny_run.path), "--task", "cell")
    assert wrong.exit_code == 2
    assert "the task field, not cell" in wrong.stderr


def test_two_precisions_are_wrong_usage():
    result = run("--model", "mobilenetv2", "--int8", "--float16")
    assert result.exit_code == 2
    assert "two precisions were named: int8, float16" in result.stderr
    assert "fix: --int8, then another export with --float16" in result.stderr


def test_a_format_that_cannot_do_the_precision_is_named_with_the_reason(tiny_run, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("years", encoding="utf-8")
    words = ("--run", str(tiny_run.path), "--dynamic", "--out", str(tmp_path / "taken"))
    result = run(*words)
    assert result.exit_code == 2
    assert "openvino refused: OpenVINO quantizes activations at run time only" in result.stderr
    assert "openvino" not in run(*words, "--format", "onnx").stderr
