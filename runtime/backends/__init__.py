"""Backends: the engines that run an artifact, one table; each is imported when it is chosen.

A backend answers one image at a time (the artifacts' batch is fixed at 1), from any thread.
There is no falling back: what was asked for runs, or the error says why it does not.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...errors import BackendError, MissingPackageError, UsageError, unknown_name
from ..bundle.bundle import Bundle
from ..machine import usable_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AUTO = "auto"


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
            Probabilities in the order of the bundle's labels, uncalibrated.
        """
        ...

    def close(self) -> None:
        """Free the engine; further predictions fail."""
        ...


@dataclass(frozen=True)
class BackendSpec:
    """How to come by a backend.

    Parameters
    ----------
    suffix : str
        Of the artifact's file.
    target : str
        ``module:Class`` in this package.
    packages : tuple of (str, str)
        Import name and pip name of the packages that will do, best first.
    extra : str
        The extra of alledge that brings one.
    """

    suffix: str
    target: str
    packages: tuple[tuple[str, str], ...]
    extra: str


BACKENDS: dict[str, BackendSpec] = {
    "tflite": BackendSpec(
        ".tflite",
        "tflite:TfliteBackend",
        (("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime")),
        "tflite",
    ),
    "onnx": BackendSpec(".onnx", "onnx:OnnxBackend", (("onnxruntime", "onnxruntime"),), "onnx"),
    "openvino": BackendSpec(
        ".xml", "openvino:OpenvinoBackend", (("openvino", "openvino"),), "openvino"
    ),
}

# What `auto` takes: the first that the bundle has and this machine can run, by cold start and
# time an image as measured. tflite-runtime stands last: its int8 kernels are
# slower than its float ones on x86, and 20 to 30 times slower than those of the others. An ONNX
# Runtime that brings a GPU's provider was installed for it, and goes before all of them.
AUTO_ORDER = (
    ("tflite", "ai_edge_litert"),
    ("onnx", "onnxruntime"),
    ("openvino", "openvino"),
    ("tflite", "tflite_runtime"),
)


def installed_packages(backend: str) -> list[str]:
    """Return the import names of this backend's packages that are installed, best first."""
    return [name for name, _ in BACKENDS[backend].packages if _is_installed(name)]


def installed_backends() -> list[str]:
    """Return the backends that this environment has a package for, in the order of the table."""
    return [name for name in BACKENDS if installed_packages(name)]


def auto_order() -> list[str]:
    """Return the backends that ``"auto"`` tries here, best first."""
    found = [name for name, package in AUTO_ORDER if _is_installed(package)]
    return list(dict.fromkeys(["onnx", *found] if offers_gpu() else found))


def offers_gpu() -> bool:
    """Return whether the installed ONNX Runtime brings CUDA or TensorRT; without importing it."""
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
    """Return the backend that will run, of those a bundle has an artifact for.

    Parameters
    ----------
    formats : list of str
        The bundle's.
    wanted : str
        A key of `BACKENDS`, or ``"auto"``.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        If there is no such backend, or the bundle has no artifact for it.
    MissingPackageError
        If ``"auto"`` finds no package for any of the bundle's formats.
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
    row = BACKENDS[usable[0]]
    raise MissingPackageError(row.packages[0][1], row.extra, "classifying with this bundle")


def open_backend(
    bundle: Bundle, backend: str = AUTO, threads: int | None = None, requests: int = 1
) -> Backend:
    """Return a backend with an artifact of a bundle loaded, after checking its hash.

    Parameters
    ----------
    bundle : Bundle
    backend : str
        A key of `BACKENDS`, or ``"auto"``.
    threads : int, optional
        As `load_backend`.
    requests : int
        As `load_backend`.

    Returns
    -------
    Backend

    Raises
    ------
    UsageError, MissingPackageError
        As `choose_backend`.
    TamperedError
        If a file of the artifact is not the one that was exported.
    BackendError
        As `load_backend`.
    """
    name = choose_backend(list(bundle.formats), backend)
    made = bundle.formats[name]
    with bundle.checking(made.files):  # hashing 60 MB and importing an engine take as long
        for package in installed_packages(name)[:1]:
            with contextlib.suppress(ImportError):  # loading says what is wrong with it
                importlib.import_module(package)
    key = bundle.digest.removeprefix("sha256:")
    return load_backend(name, bundle.path / made.file, threads, requests, cache_key=key)


def load_backend(
    name: str,
    file: str | Path,
    threads: int | None = None,
    requests: int = 1,
    *,
    cache_key: str | None = None,
) -> Backend:
    """Return a backend with one artifact loaded.

    Parameters
    ----------
    name : str
        A key of `BACKENDS`.
    file : str or Path
    threads : int, optional
        Threads one prediction may use, ≥ 1; by default what the machine has, shared among the
        requests.
    requests : int
        Predictions that may run at once, ≥ 1; a further one waits.
    cache_key : str, optional
        Names this exact artifact; an engine that compiles may keep the result under it.

    Returns
    -------
    Backend

    Raises
    ------
    UsageError
        If there is no such backend, or the number of threads cannot be.
    MissingPackageError
        If its package is not installed.
    BackendError
        If the package is there but broken, or the engine cannot load this artifact.
    """
    if name not in BACKENDS:
        raise unknown_name("backend", name, BACKENDS)
    if (threads is not None and threads < 1) or requests < 1:
        raise UsageError(f"{threads} threads cannot compute", allowed="1 or more")
    row = BACKENDS[name]
    module, attribute = row.target.split(":")
    threads = threads or max(1, usable_cores() // requests)
    try:
        made = getattr(importlib.import_module(f".{module}", __name__), attribute)
        backend: Backend = made(Path(file), threads, requests, cache_key)
    except ModuleNotFoundError as error:
        if error.name in [package for package, _ in row.packages]:
            raise MissingPackageError(
                row.packages[0][1], row.extra, f"the backend {name}"
            ) from None
        raise BackendError(
            f"the backend {name} is installed, but not whole: {error}",
            fix=f'pip install --force-reinstall "alledge[{row.extra}]"',
        ) from error
    except (ImportError, OSError, RuntimeError, SystemError, ValueError) as error:
        raise BackendError(
            f"the backend {name} cannot load {file}: {_first_line(error)}",
            fix="alledge verify BUNDLE tells which backends work on this machine",
        ) from error
    return backend


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__
