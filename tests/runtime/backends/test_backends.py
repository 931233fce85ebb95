"""Every backend obeys the protocol with a real artifact; none is replaced by another."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from alledge.errors import BackendError, MissingPackageError, TamperedError, UsageError
from alledge.runtime import backends
from alledge.runtime.backends import (
    BACKENDS,
    choose_backend,
    installed_backends,
    load_backend,
    open_backend,
)
from alledge.runtime.bundle.bundle import Bundle

RNG = np.random.default_rng(7)
BATCHES = RNG.integers(0, 256, (12, 1, 224, 224, 3), dtype=np.uint8)
every_backend = pytest.mark.parametrize("name", BACKENDS)


def artifact(folder: Path, name: str) -> Path:
    return folder / f"model{BACKENDS[name].suffix}"


@every_backend
def test_every_backend_computes_the_network(artifacts: Path, tiny: ModuleType, name: str) -> None:
    backend = load_backend(name, artifact(artifacts, name), threads=1)
    for batch in BATCHES:
        scores = backend.predict(batch)
        assert scores.dtype == np.float32
        assert scores.shape == (1, 2)
        assert scores[0, 1] == pytest.approx(tiny.expected(batch[0]), abs=1e-5)
    assert backend.name == name
    assert any(char.isdigit() for char in backend.engine)


@every_backend
@pytest.mark.parametrize("requests", [1, 3])
def test_every_backend_gives_all_threads_the_same_scores(
    artifacts: Path, tiny: ModuleType, name: str, requests: int
) -> None:
    backend = load_backend(name, artifact(artifacts, name), threads=1, requests=requests)
    order = RNG.integers(0, len(BATCHES), 200)
    with ThreadPoolExecutor(8) as pool:
        scores = list(pool.map(lambda i: backend.predict(BATCHES[i])[0, 1], order))
    assert scores == pytest.approx([tiny.expected(BATCHES[i][0]) for i in order], abs=1e-5)


@pytest.mark.parametrize(("copies_mib", "models"), [(64, 3), (0, 1)])
def test_a_small_model_is_compiled_by_openvino_for_each_thread(
    artifacts: Path,
    tiny: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    copies_mib: int,
    models: int,
) -> None:
    from alledge.runtime.backends import openvino

    monkeypatch.setattr(openvino, "COPIES_MIB", copies_mib)
    compiled: list[object] = []
    compile_model = openvino.openvino.Core.compile_model
    monkeypatch.setattr(
        openvino.openvino.Core,
        "compile_model",
        lambda *given: compiled.append(compile_model(*given)) or compiled[-1],
    )
    file = artifact(artifacts, "openvino")
    backend = load_backend("openvino", file, threads=1, requests=3)
    assert len(compiled) == models
    order = RNG.integers(0, len(BATCHES), 50)
    with ThreadPoolExecutor(3) as pool:
        scores = list(pool.map(lambda i: backend.predict(BATCHES[i])[0, 1], order))
    assert scores == pytest.approx([tiny.expected(BATCHES[i][0]) for i in order], abs=1e-5)


@every_backend
def test_scores_are_unchanged_after_the_next_prediction(artifacts: Path, name: str) -> None:
    backend = load_backend(name, artifact(artifacts, name), threads=1)
    first = backend.predict(BATCHES[0])
    copy = first.copy()
    backend.predict(BATCHES[1])
    assert (first == copy).all()


@every_backend
def test_a_closed_backend_raises_an_error(artifacts: Path, name: str) -> None:
    backend = load_backend(name, artifact(artifacts, name))
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        backend.predict(BATCHES[0])


@every_backend
def test_pixels_of_another_shape_are_an_error(artifacts: Path, name: str) -> None:
    backend = load_backend(name, artifact(artifacts, name))
    with pytest.raises(BackendError, match="failed"):
        backend.predict(np.zeros((1, 100, 100, 3), np.uint8))


@every_backend
def test_a_damaged_artifact_cannot_be_loaded(tmp_path: Path, name: str) -> None:
    file = tmp_path / f"model{BACKENDS[name].suffix}"
    file.write_bytes(b"not a model" * 100)
    with pytest.raises(BackendError, match="cannot load"):
        load_backend(name, file)


@every_backend
def test_a_missing_package_names_the_extra(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    hide(monkeypatch, *(package for package, _ in BACKENDS[name].packages))
    with pytest.raises(MissingPackageError, match=f"alledge\\[{BACKENDS[name].extra}\\]"):
        load_backend(name, artifact(artifacts, name))


@every_backend
def test_a_package_without_one_of_its_own_requirements_is_called_incomplete(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    package = BACKENDS[name].packages[0][0]
    hide(monkeypatch, package)
    monkeypatch.delitem(sys.modules, package)
    (tmp_path / f"{package}.py").write_text("import flatbuffers_of_nowhere\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendError, match="flatbuffers_of_nowhere"):
        load_backend(name, artifact(artifacts, name))


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Make packages look uninstalled; ours that imported them are forgotten."""
    for loaded in list(sys.modules):
        if loaded.split(".")[0] in packages or loaded.startswith("alledge.runtime.backends."):
            monkeypatch.delitem(sys.modules, loaded)
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)


def test_an_unknown_backend_names_the_nearest(artifacts: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'onnx'"):
        load_backend("onxx", artifacts / "model.onnx")
    with pytest.raises(UsageError, match="did you mean 'auto'"):
        choose_backend(["onnx"], "aut")


@pytest.mark.parametrize(("threads", "requests"), [(0, 1), (1, 0)])
def test_zero_threads_are_refused(artifacts: Path, threads: int, requests: int) -> None:
    with pytest.raises(UsageError, match="threads"):
        load_backend("onnx", artifacts / "model.onnx", threads, requests)


def test_a_backend_the_bundle_has_no_artifact_for_is_refused() -> None:
    with pytest.raises(UsageError, match="no artifact for tflite"):
        choose_backend(["onnx"], "tflite")


def test_auto_takes_the_fastest_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def only(*packages: str) -> None:
        monkeypatch.setattr(backends, "_is_installed", lambda module: module in packages)

    everything = list(BACKENDS)
    only("ai_edge_litert", "tflite_runtime", "onnxruntime", "openvino")
    assert choose_backend(everything) == "tflite"
    assert choose_backend(["onnx", "openvino"]) == "onnx"
    only("tflite_runtime", "openvino")
    assert choose_backend(everything) == "openvino"
    only("tflite_runtime")
    assert choose_backend(everything) == "tflite"
    only()
    with pytest.raises(MissingPackageError, match="ai-edge-litert"):
        choose_backend(everything)


def test_auto_without_a_known_format_is_refused() -> None:
    with pytest.raises(UsageError, match="no backend runs"):
        choose_backend(["coreml"])


def test_the_installed_backends_are_those_that_load(artifacts: Path) -> None:
    for name in installed_backends():
        load_backend(name, artifact(artifacts, name)).close()


@every_backend
def test_a_tampered_artifact_is_never_loaded(own_bundle: Path, name: str) -> None:
    bundle = Bundle.open(own_bundle)
    file = own_bundle / bundle.formats[name].files[-1]
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(TamperedError):
        open_backend(bundle, name)


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is caught there")
def test_a_child_process_that_starts_while_the_engine_loads_is_not_waited_for() -> None:
    tflite = pytest.importorskip("alledge.runtime.backends.tflite")
    with tflite.without_info_lines():  # the child's stderr is the pipe, until it ends
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
    assert child.poll() is None  # it still runs, and we are here
    child.kill()
    child.communicate()
