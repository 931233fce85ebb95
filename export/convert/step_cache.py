"""Keeps the files that steps of exports wrote, so that no step is done twice.

The name of an entry is a digest of everything that the result depends on: the content of the
input files, the options, alledge's converting code, the package versions and the CPU. An entry is
therefore never outdated. It holds networks and scores, and no image.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import shutil
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...errors import ExportError
from ...runtime.caches import cache_root
from ...runtime.digests import file_digest
from ...runtime.files import write_json
from ...runtime.json_documents import read_json
from ...runtime.machine import cpu_description
from ...runtime.sized_cache import evict, mark_as_used
from ...train.provenance import package_versions
from ..types import Json

MAX_BYTES = 10 * 2**30  # size of all entries together
RESULT, FILE = "result.json", "out"
KEY_DIGITS = 64
PACKAGES = (
    "tensorflow", "tensorflow-cpu", "keras", "numpy", "tf2onnx", "onnx", "onnxruntime", "openvino",
    "ai-edge-litert", "tflite-runtime", "flatbuffers",
)  # fmt: skip
CODE = ("export/convert", "runtime/backends")  # the folders whose code determines a result
ROOT = Path(__file__).resolve().parents[2]


class StepCache:
    """Results of steps on disk, limited in size.

    Parameters
    ----------
    root : Path, optional
        Folder of the cache. By default a folder in the user's cache folder, which
        ``$ALLEDGE_CACHE`` names. Nothing is kept if there is none.
    max_bytes : int
        Size of all entries together. When it is exceeded, the least recently used are deleted.
    """

    def __init__(self, root: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
        user_cache = cache_root()
        # the dot excludes the folder from the deletion of the engines' old cache entries
        self.root = root or (user_cache / ".exports" if user_cache else None)
        self.max_bytes = max_bytes

    def key(self, step: str, options: Json, inputs: Mapping[str, Path]) -> str | None:
        """Return the name of the entry of a step; None if an input file cannot be read.

        Parameters
        ----------
        step : str
        options : dict
            JSON values that the result depends on; no path.
        inputs : mapping of str to Path
        """
        try:
            digests = {
                name: [file_digest(file) for file in companions(path)]
                for name, path in sorted(inputs.items())
            }
        except OSError:
            return None
        dependencies = {"step": step, "options": options, "inputs": digests, **_machine_and_code()}
        return hashlib.sha256(json.dumps(dependencies, sort_keys=True).encode()).hexdigest()

    def fetch(self, key: str | None, out: Path) -> Json | None:
        """Copy the file of an entry to `out` and return the step's result; None without an entry.

        A model of OpenVINO has two files.
        """
        if self.root is None or key is None:
            return None
        entry = self.root / key
        try:
            result: Json = read_json(entry / RESULT, error=ExportError)
            for suffix, digest in result.pop("files").items():
                file = entry / f"{FILE}{suffix}"
                if file_digest(file) != digest:
                    shutil.rmtree(entry)
                    return None
                shutil.copyfile(file, out.with_suffix(suffix))
        except (OSError, ExportError, KeyError, AttributeError):  # missing, damaged, being deleted
            return None
        mark_as_used(entry)
        return result

    def store(self, key: str | None, out: Path, result: Json) -> None:
        """Keep the file that a step wrote, and its result."""
        if self.root is None or key is None:
            return
        own = self.root / f"{key}.{os.getpid()}.{threading.get_ident()}.part"
        with contextlib.suppress(OSError):  # a full or read-only disk must not stop the export
            own.mkdir(parents=True, exist_ok=True)
            digests = {}
            for file in companions(out):
                copy = own / f"{FILE}{file.suffix}"
                shutil.copyfile(file, copy)
                digests[file.suffix] = file_digest(copy)
            write_json(own / RESULT, {**result, "files": digests})
            own.replace(self.root / key)
        shutil.rmtree(own, ignore_errors=True)
        with contextlib.suppress(OSError):
            # also what a killed export left unfinished
            evict(self.root.glob("[0-9a-f]" * KEY_DIGITS + "*"), self.max_bytes)


def companions(path: Path) -> list[Path]:
    """Return the files that belong to a path: OpenVINO has the weights in a second file."""
    weights = path.with_suffix(".bin")
    return [path, weights] if path.suffix == ".xml" and weights.is_file() else [path]


@functools.cache
def _machine_and_code() -> Json:
    """Return what results depend on beside the inputs: CPU, package versions, converting code."""
    return {
        "cpu": [platform.machine(), cpu_description()],
        "versions": package_versions(PACKAGES),
        "code": _digest(file for folder in CODE for file in sorted((ROOT / folder).glob("*.py"))),
    }


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
