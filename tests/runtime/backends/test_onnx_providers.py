"""The choice of ONNX Runtime's providers; no test runs on a GPU."""

import importlib.machinery
from pathlib import Path

import pytest

from alledge.errors import BackendError
from alledge.runtime import backends
from alledge.runtime.backends import auto_order, choose_backend, load_backend
from alledge.runtime.backends import onnx as module
from alledge.runtime.backends.onnx import (
    CPU,
    CUDA,
    TENSORRT,
    choose_providers,
    engines_entry,
    gpu_name,
    unused_providers,
)


def test_the_cpu_wheel_computes_on_the_cpu():
    assert choose_providers([CPU, "AzureExecutionProvider"]) == [(CPU, {})]


def test_tensorrt_comes_before_cuda_and_the_cpu_last():
    names = [name for name, _ in choose_providers([CPU, CUDA, TENSORRT])]
    assert names == [TENSORRT, CUDA, CPU]


def test_tensorrt_stores_its_engines_if_there_is_a_cache():
    (_, options), *_ = choose_providers([TENSORRT, CPU], Path("engines"))
    assert options == {"trt_engine_cache_enable": "1", "trt_engine_cache_path": "engines"}
    assert choose_providers([TENSORRT, CPU])[0] == (TENSORRT, {})


def test_cuda_computes_true_float32():
    assert (CUDA, {"use_tf32": "0"}) in choose_providers([CUDA, CPU])


def test_a_provider_that_does_not_start_is_noticed():
    wanted = choose_providers([TENSORRT, CUDA, CPU])
    assert unused_providers(wanted, [CPU]) == [TENSORRT, CUDA]
    assert not unused_providers(wanted, [TENSORRT, CUDA, CPU])


def test_the_cpu_computes_without_a_message(artifacts, capsys):
    backend = load_backend("onnx", artifacts / "model.onnx", threads=1)
    backend.close()
    assert "(" not in backend.engine
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("small", [True, False])
def test_there_is_no_arena_on_a_machine_with_little_memory(artifacts, monkeypatch, small):
    monkeypatch.setattr(module, "has_little_memory", lambda: small)
    backend = load_backend("onnx", artifacts / "model.onnx", threads=1)
    options = backend._session.get_session_options()
    backend.close()
    assert options.enable_cpu_mem_arena is not small
    if not small:
        assert options.get_session_config_entry("session.use_env_allocators") == "1"


def test_a_provider_that_raises_is_named_on_stderr_and_the_next_one_tried(
    artifacts, capsys, monkeypatch
):
    broken = [("AzureExecutionProvider", "no options"), (CPU, {})]
    monkeypatch.setattr(module, "choose_providers", lambda available, engines: broken)
    backend = load_backend("onnx", artifacts / "model.onnx", threads=1)
    backend.close()
    output = capsys.readouterr()
    assert output.out == ""
    assert "AzureExecutionProvider does not start" in output.err


def test_a_model_that_nothing_loads_is_an_error_and_prints_nothing(tmp_path, capsys):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(BackendError, match="cannot load"):
        load_backend("onnx", tmp_path / "model.onnx", threads=1)
    assert capsys.readouterr().out == ""


def test_engines_of_another_gpu_or_tensorrt_are_another_entry():
    names = {
        engines_entry(key, tensorrt, gpu)
        for key in ("a", "b")
        for tensorrt in ("10.3", "10.7")
        for gpu in ("Orin Nano", "Orin NX")
    }
    assert len(names) == 8


def test_a_gpu_is_named_by_its_board_and_its_driver(tmp_path):
    assert gpu_name(tmp_path) == ""
    for name, text in (("device-tree/model", "Orin Nano\0"), ("driver/nvidia/version", "540.3")):
        (tmp_path / "proc" / name).parent.mkdir(parents=True)
        (tmp_path / "proc" / name).write_text(text, encoding="utf-8")
    assert gpu_name(tmp_path) == "Orin Nano\n540.3"


def test_auto_takes_onnx_where_its_wheel_brings_a_gpu(tmp_path, monkeypatch):
    assert auto_order()[0] == "tflite"
    (tmp_path / "capi").mkdir()
    (tmp_path / "capi" / "libonnxruntime_providers_cuda.so").touch()
    spec = importlib.machinery.ModuleSpec("onnxruntime", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda name: spec)
    assert choose_backend(["tflite", "onnx"]) == "onnx"
    assert choose_backend(["tflite"]) == "tflite"
