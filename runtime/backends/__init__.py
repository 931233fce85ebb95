"""Backends: the table of the engines that run an artifact; the chosen one is imported.

A backend computes the scores of one image at a time (the batch size of the artifacts is 1), in any
thread. There is no fallback: the requested backend runs, or an error says why it does not.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from ...errors import AlledgeError, BackendError, MissingPackageError, UsageError, unknown_name
from ..bundle.bundle import Bundle
from ..bundle.feature_output import FeatureOutput
from ..machine import usable_cores, validate_threads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AUTO = "auto"

_loaded: weakref.WeakSet[Backend] = weakref.WeakSet()


class Backend(Protocol):
    """An engine with a model loaded.

    Attributes
    ----------
    name : str
        A key of `BACKENDS`.
    engine : str
        Package and version, for example ``"ai-edge-litert 2.3.0"``.
    """

    name: str
    engine: str

    def predict(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the scores of one image.

        Parameters
        ----------
        batch : (1, S, S, 3) ndarray of uint8, RGB

        Returns
        -------
        (1, C) ndarray of float32
            Uncalibrated probabilities in the order of the bundle's labels.

        Raises
        ------
        BackendError
            If the engine fails, or was closed.
        """
        ...

    def predict_with_features(
        self, batch: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the scores of one image, and the features under the last dense layer.

        Parameters
        ----------
        batch : (1, S, S, 3) ndarray of uint8, RGB

        Returns
        -------
        scores : (1, C) ndarray of float32
            As `predict`.
        features : (D,) ndarray of float32

        Raises
        ------
        BackendError
            As `predict`, and if the artifact was loaded without its features.
        """
        ...

    def close(self) -> None:
        """Free the engine; later predictions raise `BackendError`."""
        ...


@dataclass(frozen=True)
class BackendSpec:
    """One backend of the table.

    Parameters
    ----------
    suffix : str
        Of the artifact's file.
    target : str
        ``module:Class`` in this package.
    packages : tuple of (str, str)
        Import name and pip name of each package that contains the engine, the preferred one
        first. One is enough.
    extra : str
        The extra of alledge that installs a package.
    """

    suffix: str
    target: str
    packages: tuple[tuple[str, str], ...]
    extra: str


# OpenVINO sends an event to Google Analytics whenever it is imported, by a forked process that can
# hang, and keeps a number for the client in the home folder. Where this package cannot be imported,
# in this process only, it takes a stub that does nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

BACKENDS: dict[str, BackendSpec] = {
    "tflite": BackendSpec(
        suffix=".tflite",
        target="tflite:TfliteBackend",
        packages=(("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime")),
        extra="tflite",
    ),
    "onnx": BackendSpec(
        suffix=".onnx",
        target="onnx:OnnxBackend",
        packages=(("onnxruntime", "onnxruntime"),),
        extra="onnx",
    ),
    "openvino": BackendSpec(
        suffix=".xml",
        target="openvino:OpenvinoBackend",
        packages=(("openvino", "openvino"),),
        extra="openvino",
    ),
}

# Backend and package that `auto` tries, in this order: by measured cold start and time per image
# (docs/runtime.md). tflite-runtime is last: on x86 its int8 kernels are slower than its float
# kernels, and 20 to 30 times slower than those of the others. An ONNX Runtime that supports a GPU
# was installed for the GPU, and is tried first.
AUTO_ORDER = (
    ("tflite", "ai_edge_litert"),
    ("onnx", "onnxruntime"),
    ("openvino", "openvino"),
    ("tflite", "tflite_runtime"),
)


def installed_packages(backend: str) -> list[str]:
    """Return the import names of a backend's installed packages, the preferred one first."""
    return [name for name, _ in BACKENDS[backend].packages if _is_installed(name)]


def installed_backends() -> list[str]:
    """Return the backends with an installed package, in the order of the table."""
    return [name for name in BACKENDS if installed_packages(name)]


def auto_order() -> list[str]:
    """Return the installed backends in the order in which ``"auto"`` tries them."""
    names = [name for name, package in AUTO_ORDER if _is_installed(package)]
    return list(dict.fromkeys(["onnx", *names] if supports_gpu() else names))


def supports_gpu() -> bool:
    """Return whether the installed ONNX Runtime contains CUDA or TensorRT; does not import it."""
    if not _is_installed("onnxruntime"):
        return False
    spec = importlib.util.find_spec("onnxruntime")
    folders = (spec.submodule_search_locations if spec else None) or ()
    return any(
        file.suffix in (".so", ".dll")
        for folder in folders
        for kind in ("cuda", "tensorrt")
        for file in (Path(folder) / "capi").glob(f"*onnxruntime_providers_{kind}.*")
    )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def choose_backend(formats: list[str], wanted: str = AUTO) -> str:
    """Return the backend that runs a bundle.

    Parameters
    ----------
    formats : list of str
        Of the bundle.
    wanted : str
        A key of `BACKENDS`, or ``"auto"``.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        If the backend is unknown, or the bundle has no artifact for it.
    MissingPackageError
        If no package for any of the bundle's formats is installed, and `wanted` is ``"auto"``.
    """
    if wanted not in (AUTO, *BACKENDS):
        raise unknown_name("backend", wanted, (AUTO, *BACKENDS))
    usable = [name for name in BACKENDS if name in formats]
    if wanted != AUTO:
        if wanted not in formats:
            raise UsageError(
                f"the bundle has no artifact for {wanted}",
                allowed=usable,
                fix=f"--backend {usable[0]}" if usable else "export the bundle again",
            )
        return wanted
    for name in auto_order():
        if name in usable:
            return name
    if not usable:
        raise UsageError(f"no backend runs the formats {formats}", allowed=BACKENDS)
    backend = BACKENDS[usable[0]]
    raise MissingPackageError(backend.packages[0][1], backend.extra, "classifying with this bundle")


def open_backend(
    bundle: Bundle,
    backend: str = AUTO,
    threads: int | None = None,
    requests: int = 1,
    *,
    features: bool = False,
) -> Backend:
    """Check the hash of a bundle's artifact, and load it.

    Parameters
    ----------
    bundle : Bundle
    backend : str
        A key of `BACKENDS`, or ``"auto"``.
    threads : int, optional
        As `load_backend`.
    requests : int
        As `load_backend`.
    features : bool
        Whether `Backend.predict_with_features` will be called.

    Returns
    -------
    Backend

    Raises
    ------
    UsageError, MissingPackageError
        As `choose_backend`; if the artifact gives no features, as `feature_output`.
    TamperedError
        If a file of the artifact does not have the hash that the bundle names.
    BackendError
        As `load_backend`.
    """
    name = choose_backend(list(bundle.formats), backend)
    artifact, wanted = bundle.formats[name], None
    if features:
        from ..bundle.last_layers import feature_output

        wanted = feature_output(bundle, name)
    with bundle.checking(artifact.files):  # hashing 60 MB takes as long as importing an engine
        for package in installed_packages(name)[:1]:
            with contextlib.suppress(ImportError):  # `load_backend` reports the error
                importlib.import_module(package)
    key = bundle.digest.removeprefix("sha256:")
    file = bundle.path / artifact.file
    return load_backend(name, file, threads, requests, cache_key=key, features=wanted)


def load_backend(
    name: str,
    file: str | Path,
    threads: int | None = None,
    requests: int = 1,
    *,
    cache_key: str | None = None,
    features: FeatureOutput | None = None,
) -> Backend:
    """Load an artifact.

    Parameters
    ----------
    name : str
        A key of `BACKENDS`.
    file : str or Path
    threads : int, optional
        Threads of one prediction; by default the usable cores divided by the requests.
    requests : int
        Predictions that may run at once; a further one waits.
    cache_key : str, optional
        Identifies this exact artifact. An engine that compiles may store the result in the cache
        under this key.
    features : FeatureOutput, optional
        Where the artifact has its features, if `Backend.predict_with_features` will be called.

    Returns
    -------
    Backend

    Raises
    ------
    UsageError
        If the backend is unknown, or there are to be less than 1 or more than four threads or
        requests for each logical core.
    MissingPackageError
        If its package is not installed.
    BackendError
        If the package is installed but broken, or the engine cannot load this artifact.
    """
    if name not in BACKENDS:
        raise unknown_name("backend", name, BACKENDS)
    threads = None if threads is None else validate_threads(threads)
    requests = validate_threads(requests)
    spec = BACKENDS[name]
    module, attribute = spec.target.split(":")
    threads = threads or max(1, usable_cores() // requests)
    try:
        backend_class = getattr(importlib.import_module(f".{module}", __name__), attribute)
        backend: Backend = backend_class(Path(file), threads, requests, cache_key, features)
    except ModuleNotFoundError as error:
        if error.name in [package for package, _ in spec.packages]:
            raise MissingPackageError(
                spec.packages[0][1], spec.extra, f"the backend {name}"
            ) from None
        raise BackendError(
            f"the backend {name} is installed, but incomplete: {error}",
            fix=f'pip install --force-reinstall "alledge[{spec.extra}]"',
        ) from error
    except AlledgeError:
        raise
    except Exception as error:  # engines have no common base class
        raise BackendError(
            f"the backend {name} cannot load {file}: {_first_lines(error)}",
            fix="`alledge verify BUNDLE` shows which backends work on this machine",
        ) from error
    _loaded.add(backend)
    return backend


def _leave_to_parent() -> None:
    """In a fork, neither free nor use what the parent loaded: its threads do not exist here."""
    import ctypes

    for backend in list(_loaded):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(backend))  # never freed
        vars(backend).update(
            close=_close_nothing, predict=_refuse_in_fork, predict_with_features=_refuse_in_fork
        )


def _close_nothing() -> None:
    """Stand for `Backend.close` in a fork."""


def _refuse_in_fork(batch: NDArray[np.uint8]) -> NoReturn:
    """Stand for the predictions of a backend in a fork."""
    raise BackendError(
        "this classifier was loaded before the process was forked, and its engine has no threads "
        "here",
        fix="load the classifier in the new process, or start it with spawn",
    )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def _first_lines(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__
