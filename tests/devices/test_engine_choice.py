"""The choice of backend, precision and threads for machines of different kinds."""

import pytest

from alledge.devices.detection import describe_machine
from alledge.devices.engine_choice import choose_engine
from alledge.devices.profiles import recognise


def machine(**changes):
    """Return the part of a machine's description that decides the engine."""
    described = {
        "arch": "aarch64",
        "flags": ["asimd"],
        "cores_usable": 4,
        "quota_cores": None,
        "memory_mib": 8192.0,
        "accelerators": [],
        "providers": None,
        "versions": {},
    }
    return {**described, **changes}


def test_the_gpu_is_used_only_if_the_installed_onnx_runtime_can_use_it():
    jetson = machine(accelerators=["NVIDIA Tegra GPU"], providers=["CPUExecutionProvider"])
    without = choose_engine(jetson, ["tflite", "onnx"], 4096)
    assert without["backend"] == "tflite"
    assert any("no installed ONNX Runtime can use it" in line for line in without["why"])
    jetson["providers"] = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert choose_engine(jetson, ["tflite", "onnx"], 4096)["backend"] == "onnx"


def test_without_an_engine_there_is_no_backend():
    assert choose_engine(machine(), [], 4096)["backend"] is None


def test_a_gpu_gets_float16_and_the_option_is_named():
    jetson = machine(accelerators=["NVIDIA Tegra GPU"], providers=["CUDAExecutionProvider"])
    use = choose_engine(jetson, ["onnx", "tflite"], 4096)
    assert use["precision"] == "float16"
    assert any("--backend onnx" in line for line in use["why"])


@pytest.mark.parametrize(
    ("arch", "versions", "precision"),
    [
        ("x86_64", {"tflite-runtime": "2.14.0"}, "float32"),
        ("x86_64", {"tflite-runtime": "2.14.0", "ai-edge-litert": "2.3.0"}, "int8"),
        ("aarch64", {"tflite-runtime": "2.14.0"}, "int8"),
    ],
)
def test_int8_is_not_chosen_if_tflite_runtime_is_the_only_engine_on_x86(arch, versions, precision):
    described = machine(arch=arch, versions=versions, flags=[])
    assert choose_engine(described, ["tflite"], 4096)["precision"] == precision


def test_a_detected_raspberry_pi_5_is_recognised_and_gets_int8(tmp_path, boards, monkeypatch):
    monkeypatch.setattr("alledge.devices.detection.architecture", lambda: "aarch64")
    root = boards.arm(tmp_path, "Raspberry Pi 5 Model B Rev 1.0", "0xd0b", boards.A76)
    described = describe_machine(root, engines=False)
    assert recognise(described, "linux").name == "raspberry-pi-5"
    assert choose_engine(described, ["tflite"], 4096)["precision"] == "int8"
