"""The ONNX backend: ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ...errors import BackendError
from ..machine import is_small

ERRORS_ONLY = 3


class OnnxBackend:
    """One session for all requests: ONNX Runtime runs it from many threads at once."""

    name = "onnx"

    def __init__(self, file: Path, threads: int, requests: int, cache_key: str | None) -> None:
        self.engine = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        # int8 sums saturate on x86 without VNNI unless told otherwise; elsewhere it changes nothing
        options.add_session_config_entry("session.x64quantprecision", "1")
        if is_small():
            options.enable_cpu_mem_arena = False  # the arena takes what it once needed, for good
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors share no base class but Exception
            raise BackendError(f"{self.engine} cannot load {file}: {error}") from error
        self._input = self._session.get_inputs()[0].name

    def predict(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._session is None:
            raise BackendError("this backend was closed")
        try:
            return np.asarray(self._session.run(None, {self._input: batch})[0], dtype=np.float32)
        except Exception as error:  # as above
            raise BackendError(f"{self.engine} failed: {error}") from error

    def close(self) -> None:
        self._session = None
