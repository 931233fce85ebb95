"""The OpenVINO backend: its CPU plugin, in true float32 where the artifact is float32."""

from __future__ import annotations

import hashlib
import queue
import threading
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from ...errors import BackendError
from ..caches import with_cache


class OpenvinoBackend:
    """One compiled model; each request has its own buffers."""

    name = "openvino"

    def __init__(self, file: Path, threads: int, requests: int, cache_key: str | None) -> None:
        self.engine = f"openvino {openvino.__version__.split('-')[0]}"
        config = {
            "INFERENCE_PRECISION_HINT": "f32",  # bf16 where the CPU has it, otherwise
            "INFERENCE_NUM_THREADS": str(threads * requests),
            "NUM_STREAMS": str(requests),
        }
        self._compiled: Any = None
        if cache_key is None:
            self._compile(file, config)
        else:
            with_cache(
                _entry(file, cache_key, config),
                lambda folder: self._compile(
                    file, config if folder is None else {**config, "CACHE_DIR": str(folder)}
                ),
            )
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._to_make = threading.Semaphore(requests)

    def _compile(self, file: Path, config: dict[str, str]) -> None:
        self._compiled = openvino.Core().compile_model(file, "CPU", config)

    def _borrow(self) -> Any:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            if self._to_make.acquire(blocking=False):
                return self._compiled.create_infer_request()
            return self._idle.get()

    def predict(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._compiled is None:
            raise BackendError("this backend was closed")
        request = self._borrow()
        try:
            request.infer([batch], share_inputs=True)
            return np.array(request.get_output_tensor(0).data, dtype=np.float32)
        except (ValueError, RuntimeError) as error:
            raise BackendError(f"{self.engine} failed: {error}") from error
        finally:
            self._idle.put(request)

    def close(self) -> None:
        self._compiled = None
        self._idle = queue.LifoQueue()


def _entry(file: Path, cache_key: str, config: dict[str, str]) -> str:
    """Return the name of the cache entry: the engine's own key is path and time of the file."""
    status = file.stat()
    parts = (cache_key, openvino.__version__, sorted(config.items()), file.resolve())
    whole = repr((*parts, status.st_mtime_ns, status.st_size))
    return f"openvino-{hashlib.sha256(whole.encode()).hexdigest()[:32]}"
