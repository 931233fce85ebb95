"""The ONNX backend: ONNX Runtime on the CPU, or on the GPU that the installed wheel offers.

What stands here of GPUs was never run on one: it is the choice of providers, tested as such.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import functools
import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ...errors import BackendError
from ..caches import with_cache
from ..first_use import FirstUse
from ..machine import ROOT, has_little_memory, has_vnni

ERRORS_ONLY = 3
SAME_AS_REQUESTED = 1  # how an arena is extended
CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"

Provider = tuple[str, dict[str, str]]

_first_use = FirstUse()


def choose_providers(available: list[str], engines: Path | None = None) -> list[Provider]:
    """Return the execution providers to ask for, the fastest first, the CPU always last.

    Parameters
    ----------
    available : list of str
        What the installed wheel offers.
    engines : Path, optional
        Where TensorRT keeps the engines it compiled, which takes it minutes.

    Notes
    -----
    CUDA would compute float32 in TF32 where it can, which is another model than was exported.
    """
    chosen: list[Provider] = []
    if TENSORRT in available:
        kept = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(engines)}
        chosen.append((TENSORRT, kept if engines else {}))
    if CUDA in available:
        chosen.append((CUDA, {"use_tf32": "0"}))
    return [*chosen, (CPU, {})]


def left_out(wanted: list[Provider], given: list[str]) -> list[str]:
    """Return the providers that were asked for and are not at work.

    Parameters
    ----------
    wanted : list of (str, dict)
        As `choose_providers` returns them.
    given : list of str
        What the session says it uses.
    """
    return [name for name, _ in wanted if name not in given]


def engines_entry(key: str, tensorrt: str, gpu: str) -> str:
    """Return the name of the cache entry of a model's TensorRT engines.

    Parameters
    ----------
    key : str
        Of the model.
    tensorrt, gpu : str
        What the engines were compiled by and for: TensorRT loads no others.
    """
    made = hashlib.sha256("\n".join((onnxruntime.__version__, tensorrt, gpu, key)).encode())
    return f"tensorrt-{made.hexdigest()[:32]}"


def tensorrt_version() -> str:
    """Return the version of the TensorRT library here, as the library says it."""
    try:
        library = ctypes.CDLL(ctypes.util.find_library("nvinfer") or "nvinfer.dll")
        return str(library.getInferLibVersion())
    except (OSError, AttributeError):
        return "unknown"


def gpu_name(root: Path = ROOT) -> str:
    """Return which NVIDIA GPU this is: board, model and driver, as far as Linux says.

    Parameters
    ----------
    root : Path
        Where ``/proc`` is; another one in tests.
    """
    cards = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    places = (root / "proc/device-tree/model", root / "proc/driver/nvidia/version", *cards)
    said = []
    for place in places:
        with contextlib.suppress(OSError):
            said.append(place.read_text(encoding="utf-8", errors="replace").strip("\0 \n"))
    return "\n".join(said)


@functools.cache
def _register_arena() -> None:
    """Have the process's sessions share an arena that grows by what is needed, not by doubling."""
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

    def __init__(self, file: Path, threads: int, requests: int, cache_key: str | None) -> None:
        self.engine = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        if not has_vnni():  # int8 sums saturate on x86 without it, unless told otherwise
            options.add_session_config_entry("session.x64quantprecision", "1")
        if has_little_memory():
            options.enable_cpu_mem_arena = False  # the arena takes what it once needed, for good
        else:
            _register_arena()
            options.add_session_config_entry("session.use_env_allocators", "1")
            # weights outside of it: they go with their session
            options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        self._session: Any
        available = list(onnxruntime.get_available_providers())
        if TENSORRT in available and cache_key is not None:
            entry = engines_entry(cache_key, tensorrt_version(), gpu_name())
            with_cache(entry, lambda folder: self._open(file, options, available, folder))
        else:
            self._open(file, options, available, None)
        self._input = self._session.get_inputs()[0].name

    def _open(self, file: Path, options: Any, available: list[str], engines: Path | None) -> None:
        wanted = choose_providers(available, engines)
        self._session = self._start(file, options, wanted)
        given = list(self._session.get_providers())
        if missing := left_out(wanted, given):
            print(f"{', '.join(missing)} cannot be used here: {given[0]} computes", file=sys.stderr)
        if given[0] != CPU:
            self.engine += f" ({given[0].removesuffix('ExecutionProvider')})"

    def _start(self, file: Path, options: Any, wanted: list[Provider]) -> Any:
        """Return a session on these providers, or on those after the first that cannot start.

        ONNX Runtime's own falling back prints to stdout, where the answers go, and skips the rest.
        """
        try:
            return onnxruntime.InferenceSession(
                str(file), options, providers=wanted, enable_fallback=0
            )
        except Exception as error:  # its errors share no base class but Exception
            if len(wanted) == 1:
                raise BackendError(f"{self.engine} cannot load {file}: {error}") from error
            reason = str(error).strip().partition("\n")[0]
            print(f"{wanted[0][0]} does not start: {reason}", file=sys.stderr)
        return self._start(file, options, wanted[1:])

    def predict(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._session is None:
            raise BackendError("this backend was closed")
        try:
            with _first_use.alone():
                scores = self._session.run(None, {self._input: batch})[0]
            return np.asarray(scores, dtype=np.float32)
        except Exception as error:  # as above
            raise BackendError(f"{self.engine} failed: {error}") from error

    def close(self) -> None:
        self._session = None
