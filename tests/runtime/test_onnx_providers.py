"""Which of ONNX Runtime's providers are asked for: logic alone, no GPU was ever at hand."""

from pathlib import Path

from alledge.runtime.backends import load_backend
from alledge.runtime.backends.onnx import CPU, CUDA, TENSORRT, choose_providers, left_out


def test_the_cpu_wheel_computes_on_the_cpu():
    assert choose_providers([CPU, "AzureExecutionProvider"]) == [(CPU, {})]


def test_tensorrt_comes_before_cuda_and_the_cpu_last():
    names = [name for name, _ in choose_providers([CPU, CUDA, TENSORRT])]
    assert names == [TENSORRT, CUDA, CPU]


def test_tensorrt_keeps_its_engines_where_there_is_a_cache():
    (_, kept), *_ = choose_providers([TENSORRT, CPU], Path("engines"))
    assert kept == {"trt_engine_cache_enable": "1", "trt_engine_cache_path": "engines"}
    assert choose_providers([TENSORRT, CPU])[0] == (TENSORRT, {})


def test_cuda_computes_true_float32():
    assert (CUDA, {"use_tf32": "0"}) in choose_providers([CUDA, CPU])


def test_a_provider_that_does_not_start_is_noticed():
    wanted = choose_providers([TENSORRT, CUDA, CPU])
    assert left_out(wanted, [CPU]) == [TENSORRT, CUDA]
    assert not left_out(wanted, [TENSORRT, CUDA, CPU])


def test_here_the_cpu_computes_and_nothing_is_said(artifacts, capsys):
    backend = load_backend("onnx", artifacts / "model.onnx", threads=1)
    backend.close()
    assert "(" not in backend.engine
    assert capsys.readouterr().err == ""
