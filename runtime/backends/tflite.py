"""The TFLite backend: ai-edge-litert, or tflite-runtime where litert is not installed."""

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
from ..files import is_unicode
from ..first_use import FirstUse
from .pool import Pool

STDERR = 2
PIPE_BYTES = 2**16
_stderr_lock = threading.Lock()
_first_use = FirstUse()

# An interpreter, and the index of its input and of its output.
Interpreter = tuple[Any, int, int]


def interpreter_class() -> tuple[Any, str]:
    """Return the interpreter class and the name of the engine; a broken litert is an error."""
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
def without_info_lines() -> Iterator[None]:
    """Remove ``INFO:`` lines that the body of the ``with`` writes to standard error.

    Other lines are written after the body. On Windows nothing is removed.
    """
    if sys.platform == "win32" or not _stderr_lock.acquire(blocking=False):
        yield
        return
    try:
        stderr = os.dup(STDERR)
    except OSError:  # a service may have no standard error
        _stderr_lock.release()
        yield
        return
    source, sink = os.pipe()
    for end in (source, sink):  # losing a line is better than waiting for ever
        os.set_blocking(end, False)
    os.dup2(sink, STDERR)
    os.close(sink)
    try:
        yield
    finally:
        os.dup2(stderr, STDERR)
        os.close(stderr)
        output = b""
        # until it is empty, not until its end: a child process may keep the pipe open
        with contextlib.suppress(BlockingIOError):
            while part := os.read(source, PIPE_BYTES):
                output += part
        os.close(source)
        _stderr_lock.release()
        lines = output.splitlines(keepends=True)
        if others := [line for line in lines if not line.startswith(b"INFO: ")]:
            os.write(STDERR, b"".join(others))


class TfliteBackend:
    """One interpreter for each request, because threads cannot share one."""

    name = "tflite"

    def __init__(self, file: Path, threads: int, requests: int, cache_key: str | None) -> None:
        interpreter, self.engine = interpreter_class()
        # no method of this object: with a circle of references, it would not be freed at once
        self._pool: Pool[Interpreter] = Pool(
            lambda: _create_interpreter(interpreter, file, threads), requests
        )

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


def _create_interpreter(kind: Any, file: Path, threads: int) -> Interpreter:
    """Return an interpreter with the model loaded."""
    # Given by its path, so that the weights are mapped into memory and not copied. The engine
    # takes no path that is not UTF-8, and on Windows none that is not ASCII.
    model: dict[str, Any] = {"model_path": str(file)}
    if not is_unicode(file) or (os.name == "nt" and not str(file).isascii()):
        model = {"model_content": file.read_bytes()}
    with without_info_lines():
        interpreter = kind(**model, num_threads=threads)
        interpreter.allocate_tensors()
    (image,), (scores,) = interpreter.get_input_details(), interpreter.get_output_details()
    return interpreter, image["index"], scores["index"]
