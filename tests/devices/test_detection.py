"""The description of a machine, read from trees of /proc, /sys and /dev files."""

import json

import pytest

from alledge.devices import detection, windows_macos
from alledge.devices.detection import describe_machine
from alledge.runtime import machine

KEYS = {
    "board",
    "arch",
    "cpu",
    "flags",
    "cores_physical",
    "cores_logical",
    "cores_usable",
    "quota_cores",
    "governor",
    "memory_mib",
    "os",
    "kernel",
    "python",
    "libc",
    "versions",
    "accelerators",
    "providers",
}


def test_the_description_of_this_machine_has_every_key_and_is_json():
    described = describe_machine()
    assert set(described) == KEYS
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert described["cores_usable"] >= 1
    assert described["versions"]["numpy"]
    assert described["providers"] is None or "CPUExecutionProvider" in described["providers"]


def test_a_raspberry_pi_5_is_described_from_its_files(tmp_path, boards):
    root = boards.arm(tmp_path, "Raspberry Pi 5 Model B Rev 1.0", "0xd0b", boards.A76)
    described = describe_machine(root, engines=False)
    assert described["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert described["cpu"] == "4 x Cortex-A76"
    assert {"asimd", "asimddp"} <= set(described["flags"])
    assert (described["cores_physical"], described["cores_logical"]) == (4, 4)
    assert described["memory_mib"] == 8192
    assert described["os"] == "Debian GNU/Linux 12 (bookworm)"
    assert described["providers"] is None


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


def test_hyper_threads_do_not_count_as_physical_cores(tmp_path, boards):
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


def test_the_cpu_limit_of_a_container_bounds_the_usable_cores(tmp_path, boards):
    root = boards.pc(tmp_path, "QEMU", "Standard PC", "Intel", boards.AVX512, cores=8)
    boards.put(root, "proc/self/cgroup", "0::/\n")
    boards.put(root, "sys/fs/cgroup/cpu.max", "150000 100000\n")
    described = describe_machine(root, engines=False)
    assert described["quota_cores"] == 1.5
    assert described["cores_usable"] == machine.usable_cores(root) == 1


def test_an_intel_gpu_is_listed_by_its_vendor_number(tmp_path, boards):
    boards.put(tmp_path, "sys/class/drm/renderD128/device/vendor", "0x8086\n")
    assert detection.accelerators(tmp_path) == ["Intel GPU"]


def test_values_that_the_system_does_not_report_are_none_or_empty(tmp_path):
    described = describe_machine(tmp_path, engines=False)
    assert described["board"] is None
    assert described["flags"] == []
    assert described["governor"] is None
    assert described["accelerators"] == []


@pytest.mark.parametrize(
    ("machine_name", "name"), [("AMD64", "x86_64"), ("arm64", "aarch64"), ("armv7l", "armv7l")]
)
def test_an_architecture_has_the_name_that_linux_wheels_use(monkeypatch, machine_name, name):
    monkeypatch.setattr(detection.platform, "machine", lambda: machine_name)
    assert detection.architecture() == name


def test_windows_memory_is_the_second_field_of_the_status():
    class Kernel:
        @property
        def kernel32(self):
            return self

        def GlobalMemoryStatusEx(self, pointer):
            pointer._obj[1] = 8 * 2**30
            return 1

    assert windows_macos.windows_memory_mib(Kernel()) == 8192
    assert windows_macos.windows_memory_mib(None) is None


def test_the_description_of_windows_contains_the_physical_cores(monkeypatch):
    monkeypatch.setattr(windows_macos, "count_windows_cores", lambda: 4)
    monkeypatch.setattr(windows_macos.sys, "platform", "win32")
    assert windows_macos.describe_system()["cores_physical"] == 4
