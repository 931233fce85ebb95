"""The choice of backend, precision and threads for a machine."""

from __future__ import annotations

from .profiles import INT8_DOT_PRODUCT
from .types import EngineChoice, MachineDescription

GPU_PROVIDERS = {"CUDAExecutionProvider", "TensorrtExecutionProvider"}


def choose_engine(
    machine: MachineDescription, backends: list[str], small_mib: float
) -> EngineChoice:
    """Return the backend, precision and threads for a machine, with the reasons.

    Parameters
    ----------
    machine : MachineDescription
    backends : list of str
        Names of the installed backends, the preferred one first.
    small_mib : float
        Machines with less memory are called small.
    """
    gpu_providers = sorted(GPU_PROVIDERS & set(machine["providers"] or ()))
    on_gpu = bool(gpu_providers) and "onnx" in backends
    backend = "onnx" if on_gpu else next(iter(backends), None)
    why = []
    if on_gpu:
        why.append(f"the installed ONNX Runtime offers {', '.join(gpu_providers)}: --backend onnx")
    elif any("NVIDIA" in name for name in machine["accelerators"]):
        why.append("there is a GPU, but no installed ONNX Runtime can use it: the CPU computes")
    if backend is None:
        why.append("no engine is installed")
    elif not on_gpu:
        why.append(f"{backend}: the fastest of the installed engines, as measured")
    precision, reason = _choose_precision(machine, backend, small_mib, on_gpu=on_gpu)
    limit = "physical cores" if machine["quota_cores"] is None else "the container's CPU limit"
    why += [f"{precision}: {reason}", f"{machine['cores_usable']} threads: {limit}"]
    return {
        "backend": backend,
        "precision": precision,
        "threads": machine["cores_usable"],
        "why": why,
    }


def _choose_precision(
    machine: MachineDescription, backend: str | None, small_mib: float, *, on_gpu: bool
) -> tuple[str, str]:
    """Return the precision for a machine and its backend, and the reason."""
    versions, memory = machine["versions"], machine["memory_mib"]
    if on_gpu:
        return "float16", "the fastest precision on a GPU that needs no calibration images"
    only_tflite_runtime = versions.get("tflite-runtime") and not versions.get("ai-edge-litert")
    if backend == "tflite" and only_tflite_runtime and machine["arch"] == "x86_64":
        return "float32", "tflite-runtime does not accelerate int8 on x86"
    if instructions := sorted(INT8_DOT_PRODUCT & set(machine["flags"])):
        return "int8", f"{', '.join(instructions)} multiplies int8 in one instruction"
    if memory is not None and memory < small_mib:
        return "int8", f"only {memory:.0f} MiB of memory, and int8 takes a quarter of float32"
    return "int8", "smaller, and not slower, although the processor has no instruction for it"
