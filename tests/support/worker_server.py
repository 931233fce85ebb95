"""Runs the steps of exports in forks of one process that has loaded the converters already.

Outside the tests each export starts processes, which spend most of their time loading tensorflow.
Here a server loads the libraries once per session and forks for each step. A step still has a
process, memory and library state of its own.

Run as a script, this file is the server. It reads one JSON request per line from standard input
and writes one JSON answer per line to standard output.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

# Everything that a step may load. If one is not installed, the step that needs it reports that.
LIBRARIES = ("tensorflow", "keras", "onnx", "onnxruntime", "onnxruntime.quantization", "tf2onnx",
             "openvino", "ai_edge_litert.interpreter")  # fmt: skip
STEPS = (
    "worker", "tflite", "tflite_metadata", "onnx", "onnx_int8", "openvino", "serving_graph",
    "feature_layer",
)  # fmt: skip


class WorkerServer:
    """Starts the server when the first step is run; use as a context manager."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> WorkerServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.communicate()
            self._server = None

    def run_worker(self, toolkit: str, job: Path, output: Path) -> tuple[int, int | None]:
        """Run one step; takes the place of `alledge.export.convert.worker_pool.WorkerPool.run`."""
        with self._lock:
            return self._run(job, output)

    def _run(self, job: Path, output: Path) -> tuple[int, int | None]:
        if self._server is None:
            self._server = _start()
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        request = {
            "job": str(job.absolute()),
            "output": str(output.absolute()),
            "folder": str(Path.cwd()),
            "environment": dict(os.environ),
        }
        try:
            print(json.dumps(request), file=self._server.stdin, flush=True)
            answer = json.loads(self._server.stdout.readline())
        except BaseException:
            # The server is dead, or still owes the answer that the next step would take for its
            # own: start another.
            self._stop()
            raise
        return answer["code"], answer["peak_mib"]


def _start() -> subprocess.Popen[str]:
    from alledge.export.convert.worker_pool import ENVIRONMENT

    return subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **ENVIRONMENT},
    )


def main() -> None:
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # keeps what the libraries print out of the answers
    warnings.simplefilter("ignore")
    for library in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    for step in STEPS:
        with contextlib.suppress(ImportError):
            importlib.import_module(f"alledge.export.convert.{step}")
    warnings.resetwarnings()
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(request)
        _, status, usage = os.wait4(child, 0)
        answer = {"code": os.waitstatus_to_exitcode(status), "peak_mib": usage.ru_maxrss >> 10}
        print(json.dumps(answer), file=answers, flush=True)


def _run(request: dict[str, Any]) -> None:
    """Do one step as a process of its own would, and end."""
    from alledge.export.convert import worker, worker_pool

    code = 1
    try:
        stream = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update({**request["environment"], **worker_pool.ENVIRONMENT})
        code = worker.main(request["job"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
