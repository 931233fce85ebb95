"""The ONNX backend: ONNX Runtime on the CPU, or on a GPU that the installed wheel supports.

The code for GPUs has never run on one. Only the choice of providers is tested.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import functools
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ...errors import BackendError
from ..bundle.feature_output import FeatureOutput
from ..caches import with_cache
from ..files import is_unicode
from ..first_use import FirstUse
from ..machine import ROOT, has_little_memory, has_vnni
from ..terminal import echo
from .feature_outputs import no_features, onnx_with_features

ERRORS_ONLY = 3
SAME_AS_REQUESTED = 1  # how an arena is extended
CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"

Provider = tuple[str, dict[str, str]]

_first_use = FirstUse()


def choose_providers(available: list[str], engines: Path | None = None) -> list[Provider]:
    """Return the execution providers to request: the fastest first, the CPU last.

    Parameters
    ----------
    available : list of str
        The providers of the installed wheel.
    engines : Path, optional
        Folder for the engines that TensorRT compiles, which takes minutes.

    Notes
    -----
    TF32 is switched off, because CUDA would use it for float32, and the scores would differ from
    those of the exported model.
    """
    chosen: list[Provider] = []
    if TENSORRT in available:
        cache = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(engines)}
        chosen.append((TENSORRT, cache if engines else {}))
    if CUDA in available:
        chosen.append((CUDA, {"use_tf32": "0"}))
    return [*chosen, (CPU, {})]


def unused_providers(requested: list[Provider], used: list[str]) -> list[str]:
    """Return the providers that were requested and are not used.

    Parameters
    ----------
    requested : list of (str, dict)
        As `choose_providers` returns them.
    used : list of str
        The providers of the session.
    """
    return [name for name, _ in requested if name not in used]


def engines_entry(key: str, tensorrt: str, gpu: str) -> str:
    """Return the name of the cache entry of a model's TensorRT engines.

    Parameters
    ----------
    key : str
        Of the model.
    tensorrt, gpu : str
        The version and the GPU for which the engines were compiled. TensorRT loads no others.
    """
    digest = hashlib.sha256("\n".join((onnxruntime.__version__, tensorrt, gpu, key)).encode())
    return f"tensorrt-{digest.hexdigest()[:32]}"


def tensorrt_version() -> str:
    """Return the version of the installed TensorRT library; ``"unknown"`` without one."""
    try:
        library = ctypes.CDLL(ctypes.util.find_library("nvinfer") or "nvinfer.dll")
        return str(library.getInferLibVersion())
    except (OSError, AttributeError):
        return "unknown"


def gpu_name(root: Path = ROOT) -> str:
    """Return board, model and driver of the NVIDIA GPU, as far as Linux knows them.

    Parameters
    ----------
    root : Path
        The folder of ``proc``; another one in tests.
    """
    cards = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    files = (root / "proc/device-tree/model", root / "proc/driver/nvidia/version", *cards)
    texts = []
    for file in files:
        with contextlib.suppress(OSError):
            texts.append(file.read_text(encoding="utf-8", errors="replace").strip("\0 \n"))
    return "\n".join(texts)


@functools.cache
def _register_arena() -> None:
    """Register an arena for all sessions that grows by the needed amount, not by doubling."""
    onnxruntime.create_and_register_allocator(
        onnxruntime.OrtMemoryInfo(
            "Cpu",
            onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
            0,
            onnxruntime.OrtMemType.DEFAULT,
        ),
        onnxruntime.OrtArenaCfg({"arena_extend_strategy": SAME_AS_REQUESTED}),
    )


class OnnxBackend:
    """One session for all requests: ONNX Runtime runs it from many threads at once."""

    name = "onnx"

    def __init__(
        self,
        file: Path,
        threads: int,
        requests: int,
        cache_key: str | None,
        features: FeatureOutput | None = None,
    ) -> None:
        self._features = features
        self.engine = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        if not has_vnni():  # without it, int8 sums saturate on x86 by default
            options.add_session_config_entry("session.x64quantprecision", "1")
        if has_little_memory():
            options.enable_cpu_mem_arena = False  # the arena never returns memory
        else:
            _register_arena()
            options.add_session_config_entry("session.use_env_allocators", "1")
            # the weights are not in the arena, so that they are freed with their session
            options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        self._session: Any
        available = list(onnxruntime.get_available_providers())
        if TENSORRT in available and cache_key is not None:
            key = cache_key if features is None else f"{cache_key} features"
            entry = engines_entry(key, tensorrt_version(), gpu_name())
            with_cache(entry, lambda folder: self._create_session(file, options, available, folder))
        else:
            self._create_session(file, options, available, None)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def _create_session(
        self, file: Path, options: Any, available: list[str], engines: Path | None
    ) -> None:
        requested = choose_providers(available, engines)
        self._session = self._start_session(file, options, requested)
        used = list(self._session.get_providers())
        if unused := unused_providers(requested, used):
            echo(f"{', '.join(unused)} cannot be used here: {used[0]} computes", err=True)
        if used[0] != CPU:
            self.engine += f" ({used[0].removesuffix('ExecutionProvider')})"

    def _start_session(self, file: Path, options: Any, requested: list[Provider]) -> Any:
        """Return a session with these providers, without the first ones if they cannot start.

        ONNX Runtime's own fallback prints to stdout, where the results go, and tries only the CPU.
        """
        try:
            model = str(file) if is_unicode(file) else file.read_bytes()
            if self._features is not None:
                model = onnx_with_features(file.read_bytes(), self._features)
            return onnxruntime.InferenceSession(
                model, options, providers=requested, enable_fallback=0
            )
        except Exception as error:  # the errors of ONNX Runtime have no other common base class
            if len(requested) == 1:
                raise BackendError(f"{self.engine} cannot load {file}: {error}") from error
            reason = str(error).strip().partition("\n")[0]
            echo(f"{requested[0][0]} does not start: {reason}", err=True)
        return self._start_session(file, options, requested[1:])

    def predict(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._run(batch, self._outputs[:1])[0]

    def predict_with_features(
        self, batch: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if self._features is None:
            raise no_features(self.engine)
        scores, features = self._run(batch, self._outputs)
        return scores, features.ravel()

    def _run(self, batch: NDArray[np.uint8], outputs: list[str]) -> list[NDArray[np.float32]]:
        """Return these outputs for an image."""
        if self._session is None:
            raise BackendError("this backend was closed")
        try:
            with _first_use.alone():
                values = self._session.run(outputs, {self._input: batch})
            return [np.asarray(value, dtype=np.float32) for value in values]
        except Exception as error:  # as in _start_session
            raise BackendError(f"{self.engine} failed: {error}") from error

    def close(self) -> None:
        self._session = None
