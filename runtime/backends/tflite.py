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
from ..bundle.feature_output import FeatureOutput
from ..files import is_unicode
from ..first_use import FirstUse
from .feature_outputs import no_features, tflite_with_features
from .pool import Pool

STDERR = 2
PIPE_BYTES = 2**16
_stderr_lock = threading.Lock()
_first_use = FirstUse()

# An interpreter, the index of its input, and those of its outputs: scores, perhaps features.
Interpreter = tuple[Any, int, list[int]]


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

    def __init__(
        self,
        file: Path,
        threads: int,
        requests: int,
        cache_key: str | None,
        features: FeatureOutput | None = None,
    ) -> None:
        interpreter, self.engine = interpreter_class()
        self._has_features = features is not None
        # no method of this object: with a circle of references, it would not be freed at once
        self._pool: Pool[Interpreter] = Pool(
            lambda: _create_interpreter(interpreter, file, threads, features), requests
        )

    def predict(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._run(batch, 1)[0]

    def predict_with_features(
        self, batch: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if not self._has_features:
            raise no_features(self.engine)
        scores, features = self._run(batch, 2)
        return scores, features.ravel()

    def _run(self, batch: NDArray[np.uint8], outputs: int) -> list[NDArray[np.float32]]:
        """Return the first outputs for an image."""
        with self._pool.lend() as (interpreter, image, indices), _first_use.alone():
            try:
                interpreter.set_tensor(image, batch)
                interpreter.invoke()
                return [
                    np.asarray(interpreter.get_tensor(index), dtype=np.float32)
                    for index in indices[:outputs]
                ]
            except (ValueError, RuntimeError) as error:
                raise BackendError(f"{self.engine} failed: {error}") from error

    def close(self) -> None:
        self._pool.close()


def _create_interpreter(
    kind: Any, file: Path, threads: int, features: FeatureOutput | None
) -> Interpreter:
    """Return an interpreter with the model loaded."""
    # Given by its path, so that the weights are mapped into memory and not copied. The engine
    # takes no path that is not UTF-8, and on Windows none that is not ASCII.
    model: dict[str, Any] = {"model_path": str(file)}
    if not is_unicode(file) or (os.name == "nt" and not str(file).isascii()):
        model = {"model_content": file.read_bytes()}
    if features is not None:
        model = {"model_content": bytes(tflite_with_features(file.read_bytes(), features))}
    with without_info_lines():
        interpreter = kind(**model, num_threads=threads)
        interpreter.allocate_tensors()
    (image,), outputs = interpreter.get_input_details(), interpreter.get_output_details()
    return interpreter, image["index"], [output["index"] for output in outputs]
