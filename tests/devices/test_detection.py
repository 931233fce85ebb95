"""Detection: what a machine is, read from the files it shows."""

import json

import pytest

from alledge.devices import detection, windows_macos
from alledge.devices.detection import describe_machine
from alledge.runtime import machine

KEYS = {
    *("board", "arch", "cpu", "flags", "cores_physical", "cores_logical", "cores_usable"),
    *("quota_cores", "governor", "memory_mib", "os", "kernel", "python", "libc", "versions"),
    *("accelerators", "providers"),
}


def test_this_machine_is_described_whole_and_as_json():
    found = describe_machine()
    assert set(found) == KEYS
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["cores_usable"] >= 1
    assert found["versions"]["numpy"]
    assert found["providers"] is None or "CPUExecutionProvider" in found["providers"]


def test_a_raspberry_pi_5_is_told_by_its_device_tree(tmp_path, boards):
    root = boards.arm(tmp_path, "Raspberry Pi 5 Model B Rev 1.0", "0xd0b", boards.A76)
    found = describe_machine(root, engines=False)
    assert found["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert found["cpu"] == "4 x Cortex-A76"
    assert {"asimd", "asimddp"} <= set(found["flags"])
    assert (found["cores_physical"], found["cores_logical"]) == (4, 4)
    assert found["memory_mib"] == 8192
    assert found["os"] == "Debian GNU/Linux 12 (bookworm)"
    assert found["providers"] is None


def test_an_older_pi_has_no_dot_product(tmp_path, boards):
    root = boards.arm(tmp_path, "Raspberry Pi 3 Model B Plus Rev 1.3", "0xd03", boards.A53)
    assert "asimddp" not in detection.cpu_flags(root)
    assert detection.cpu_name(root) == "4 x Cortex-A53"


def test_a_jetson_shows_its_gpu(tmp_path, boards):
    name = "NVIDIA Jetson Orin Nano Developer Kit"
    root = boards.arm(tmp_path, name, "0xd42", boards.A76, cores=6)
    boards.put(root, "dev/nvhost-gpu", "")
    assert detection.accelerators(root) == ["NVIDIA Tegra GPU"]
    assert detection.board_name(root) == name


def test_a_core_of_an_unknown_maker_keeps_its_numbers(tmp_path, boards):
    root = boards.arm(tmp_path, "x", "0xabc", boards.A53, implementer="0x61", cores=2)
    assert detection.cpu_name(root) == "2 x Arm 0x61/0xabc"


def test_hyper_threads_are_not_cores(tmp_path, boards):
    root = boards.pc(
        tmp_path, "Dell Inc.", "OptiPlex", "Intel i5", boards.AVX512, hyperthreads=True
    )
    assert detection.count_cores(root) == (4, 8)
    assert detection.board_name(root) == "Dell Inc. OptiPlex"
    assert detection.cpu_name(root) == "Intel i5"


def test_an_instruction_set_counts_only_if_every_core_has_it(tmp_path, boards):
    boards.put(
        tmp_path,
        "proc/cpuinfo",
        "processor: 0\nflags: avx2 avx_vnni\n\nprocessor: 1\nflags: avx2\n",
    )
    assert detection.cpu_flags(tmp_path) == ["avx2"]


def test_a_container_is_held_to_its_quota(tmp_path, boards):
    root = boards.pc(tmp_path, "QEMU", "Standard PC", "Intel", boards.AVX512, cores=8)
    boards.put(root, "proc/self/cgroup", "0::/\n")
    boards.put(root, "sys/fs/cgroup/cpu.max", "150000 100000\n")
    found = describe_machine(root, engines=False)
    assert found["quota_cores"] == 1.5
    assert found["cores_usable"] == machine.usable_cores(root) == 1


def test_an_intel_gpu_is_told_by_its_vendor(tmp_path, boards):
    boards.put(tmp_path, "sys/class/drm/renderD128/device/vendor", "0x8086\n")
    assert detection.accelerators(tmp_path) == ["Intel GPU"]


def test_a_machine_that_says_nothing_is_described_without_guessing(tmp_path):
    found = describe_machine(tmp_path, engines=False)
    assert found["board"] is None
    assert found["flags"] == []
    assert found["governor"] is None
    assert found["accelerators"] == []


@pytest.mark.parametrize(
    ("machine_name", "wanted"), [("AMD64", "x86_64"), ("arm64", "aarch64"), ("armv7l", "armv7l")]
)
def test_an_architecture_has_one_name(monkeypatch, machine_name, wanted):
    monkeypatch.setattr(detection.platform, "machine", lambda: machine_name)
    assert detection.architecture() == wanted


def test_windows_memory_is_read_from_the_second_field():
    class Kernel:
        @property
        def kernel32(self):
            return self

        def GlobalMemoryStatusEx(self, pointer):
            pointer._obj[1] = 8 * 2**30
            return 1

    assert windows_macos.windows_memory_mib(Kernel()) == 8192
    assert windows_macos.windows_memory_mib(None) is None


def test_windows_counts_physical_cores(monkeypatch):
    monkeypatch.setattr(windows_macos, "count_windows_cores", lambda: 4)
    assert windows_macos._windows()["cores_physical"] == 4
