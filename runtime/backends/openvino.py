"""The OpenVINO backend: its CPU plugin; float32 artifacts are computed in float32."""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from ...errors import BackendError
from ..bundle.feature_output import FeatureOutput
from ..caches import with_cache
from ..files import is_unicode
from ..first_use import FirstUse
from .feature_outputs import no_features
from .openvino_kernels import VARIABLE, leave_amx_out
from .pool import Pool

# If the copies together are no larger than this, each thread gets its own compiled model and
# computes in it. The streams of one shared model are separate threads, which compete with the
# threads that decode (docs/runtime.md). For a larger model, inference outweighs that.
COPIES_MIB = 64

_first_use = FirstUse()

# A request, and views of its input and of its output tensors: scores, perhaps features.
Request = tuple[Any, NDArray[np.uint8], list[NDArray[Any]]]


class OpenvinoBackend:
    """One compiled model for all requests; of a small model, one for each request."""

    name = "openvino"

    def __init__(
        self,
        file: Path,
        threads: int,
        requests: int,
        cache_key: str | None,
        features: FeatureOutput | None = None,
    ) -> None:
        leave_amx_out()
        self._features = features
        self.engine = f"openvino {openvino.__version__.split('-')[0]}"
        models = requests if requests * _mib(file.with_suffix(".bin")) <= COPIES_MIB else 1
        streams = requests // models
        config = {
            "INFERENCE_PRECISION_HINT": "f32",  # the default is bf16 if the CPU has it
            "INFERENCE_NUM_THREADS": str(threads * streams),
            "NUM_STREAMS": str(streams),
        }
        if models > 1:
            config["ENABLE_CPU_PINNING"] = "NO"  # all would be pinned to the first cores
        self._models: list[Any] = []
        if cache_key is None:
            self._compile(file, config, models)
        else:
            key = cache_key if features is None else f"{cache_key} features"
            with_cache(
                _cache_entry(file, key, config),
                lambda folder: self._compile(
                    file, config if folder is None else {**config, "CACHE_DIR": str(folder)}, models
                ),
            )
        following = itertools.cycle(self._models)
        # no method of this object: with a circle of references, it would not be freed at once
        self._pool: Pool[Request] = Pool(lambda: _create_request(next(following)), requests)

    def _compile(self, file: Path, config: dict[str, str], models: int) -> None:
        core = openvino.Core()
        model: Any = file
        if not is_unicode(file):
            weights = np.fromfile(file.with_suffix(".bin"), dtype=np.uint8)
            model = core.read_model(file.read_bytes(), openvino.Tensor(weights))
        if self._features is not None:
            model = core.read_model(file) if model is file else model
            model.add_outputs([(self._features.tensor, 0)])
        self._models = [core.compile_model(model, "CPU", config) for _ in range(models)]

    def predict(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._run(batch, 1)[0]

    def predict_with_features(
        self, batch: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if self._features is None:
            raise no_features(self.engine)
        scores, features = self._run(batch, 2)
        return scores, features.ravel()

    def _run(self, batch: NDArray[np.uint8], count: int) -> list[NDArray[np.float32]]:
        """Return the first outputs for an image."""
        try:
            with self._pool.lend() as (request, pixels, outputs), _first_use.alone():
                if (batch.shape, batch.dtype) != (pixels.shape, pixels.dtype):
                    raise ValueError(f"got {_describe(batch)}, the model takes {_describe(pixels)}")
                # the fastest call: fill and read the request's own buffers
                np.copyto(pixels, batch)
                request.infer(share_outputs=True)
                return [np.array(output, dtype=np.float32) for output in outputs[:count]]
        except (ValueError, RuntimeError) as error:
            raise BackendError(f"{self.engine} failed: {error}") from error

    def close(self) -> None:
        self._pool.close()
        self._models = []


def _create_request(model: Any) -> Request:
    request = model.create_infer_request()
    outputs = [request.get_output_tensor(number).data for number in range(len(model.outputs))]
    return request, request.get_input_tensor(0).data, outputs


def _mib(file: Path) -> float:
    return file.stat().st_size / 2**20


def _describe(array: NDArray[Any]) -> str:
    return f"{array.dtype} of shape {array.shape}"


def _cache_entry(file: Path, cache_key: str, config: dict[str, str]) -> str:
    """Return the name of the cache entry; OpenVINO's own key is the file's path and time."""
    status = file.stat()
    instructions = os.environ.get(VARIABLE)
    parts = (cache_key, openvino.__version__, instructions, sorted(config.items()), file.resolve())
    key = repr((*parts, status.st_mtime_ns, status.st_size))
    return f"openvino-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
