"""The TFLite backend: ai-edge-litert, or tflite-runtime where litert has no wheel."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError
from ..first_use import FirstUse
from .pool import Pool

STDERR = 2
PIPE_BYTES = 2**16
_chatter_lock = threading.Lock()
_first_use = FirstUse()


def interpreter_class() -> tuple[Any, str]:
    """Return the interpreter and the engine's name; a broken litert is not passed over."""
    try:
        package, name = importlib.import_module("ai_edge_litert"), "ai-edge-litert"
    except ModuleNotFoundError as missing:
        if missing.name != "ai_edge_litert":
            raise
        package, name = importlib.import_module("tflite_runtime"), "tflite-runtime"
        if int(np.__version__.split(".")[0]) >= 2:
            raise BackendError(
                f"tflite-runtime cannot work with numpy {np.__version__}",
                allowed="numpy 1.26",
                fix='pip install "numpy<2"',
            ) from None
    module = importlib.import_module(f"{package.__name__}.interpreter")
    return module.Interpreter, f"{name} {getattr(package, '__version__', '?')}"


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Keep the engine's ``INFO:`` lines off stderr, and pass on whatever else it writes there."""
    if sys.platform == "win32" or not _chatter_lock.acquire(blocking=False):
        yield
        return
    try:
        kept = os.dup(STDERR)
    except OSError:  # a service may have no stderr at all
        _chatter_lock.release()
        yield
        return
    source, sink = os.pipe()
    for end in (source, sink):  # rather lose a line than wait for ever
        os.set_blocking(end, False)
    os.dup2(sink, STDERR)
    os.close(sink)
    try:
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
        said = b""
        # until it is empty, not until its end: a child begun meanwhile may hold the pipe open
        with contextlib.suppress(BlockingIOError):
            while part := os.read(source, PIPE_BYTES):
                said += part
        os.close(source)
        _chatter_lock.release()
        lines = said.splitlines(keepends=True)
        if told := [line for line in lines if not line.startswith(b"INFO: ")]:
            os.write(STDERR, b"".join(told))


class TfliteBackend:
    """One interpreter a request: an interpreter is not shared."""

    name = "tflite"

    def __init__(self, file: Path, threads: int, requests: int, cache_key: str | None) -> None:
        self._class, self.engine = interpreter_class()
        self._file, self._threads = file, threads
        self._pool: Pool[tuple[Any, int, int]] = Pool(self._make, requests)

    def _make(self) -> tuple[Any, int, int]:
        # The model is read by its path, so that its weights are mapped and not copied.
        with _without_chatter():
            interpreter = self._class(model_path=str(self._file), num_threads=self._threads)
            interpreter.allocate_tensors()
        (image,), (scores,) = interpreter.get_input_details(), interpreter.get_output_details()
        return interpreter, image["index"], scores["index"]

    def predict(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._pool.lend() as (interpreter, image, scores), _first_use.alone():
            try:
                interpreter.set_tensor(image, batch)
                interpreter.invoke()
                return np.asarray(interpreter.get_tensor(scores), dtype=np.float32)
            except (ValueError, RuntimeError) as error:
                raise BackendError(f"{self.engine} failed: {error}") from error

    def close(self) -> None:
        self._pool.close()
