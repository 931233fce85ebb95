"""Profiles: every board is described whole, every number has a source, machines are recognised."""

import json
from pathlib import Path

import jsonschema
import pytest

from alledge.devices.detection import describe_machine
from alledge.devices.profiles import Profile, choose, get_profile, profiles, recognise
from alledge.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "runtime" / "schemas" / "device.json").read_text(encoding="utf-8"))
WANTED = {
    *("raspberry-pi-zero-2-w", "raspberry-pi-3b-plus", "raspberry-pi-4", "raspberry-pi-5"),
    *("jetson-nano", "jetson-xavier-nx", "jetson-orin-nano", "intel-n100", "intel-nuc"),
    *("office-pc-linux", "office-pc-windows", "apple-silicon", "coral-dev-board"),
}


def test_every_board_of_the_project_has_a_profile():
    assert set(profiles()) >= WANTED


@pytest.mark.parametrize("profile", profiles().values(), ids=lambda profile: profile.name)
def test_a_profile_obeys_the_schema_and_names_a_source_for_everything_in_it(profile: Profile):
    jsonschema.validate(profile.data, SCHEMA)
    assert (ROOT / "devices" / "profiles" / f"{profile.name}.toml").is_file()
    numbers = {
        f"{table}.{key}"
        for table in ("cpu", "memory")
        for key, value in profile.data[table].items()
        if isinstance(value, (int, float))
    }
    said = {"images", "wheels", "accelerators"} & set(profile.data)
    assert set(profile.data["sources"]) == numbers | said


@pytest.mark.parametrize("profile", profiles().values(), ids=lambda profile: profile.name)
def test_a_rate_that_no_maker_publishes_is_called_nominal(profile: Profile):
    for key in ("cpu.f32_flops_per_cycle", "cpu.int8_ops_per_cycle"):
        assert profile.data["sources"][key].startswith("nominal")


@pytest.mark.parametrize("profile", profiles().values(), ids=lambda profile: profile.name)
def test_a_board_that_runs_has_a_python_that_alledge_takes(profile: Profile):
    newest = max(int(image["python"].split(".")[1]) for image in profile.data["images"])
    assert (newest >= 10) or not profile.runs


def machine(**changes):
    """Return a machine as detection describes it."""
    said = {
        "board": None,
        "arch": "aarch64",
        "cpu": None,
        "flags": ["asimd"],
        "cores_usable": 4,
        "quota_cores": None,
        "memory_mib": 8192.0,
        "accelerators": [],
        "providers": None,
    }
    return {**said, **changes}


@pytest.mark.parametrize(
    ("board", "name"),
    [
        ("Raspberry Pi Zero 2 W Rev 1.0", "raspberry-pi-zero-2-w"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "raspberry-pi-3b-plus"),
        ("Raspberry Pi 4 Model B Rev 1.5", "raspberry-pi-4"),
        ("Raspberry Pi 5 Model B Rev 1.0", "raspberry-pi-5"),
        ("NVIDIA Jetson Nano Developer Kit", "jetson-nano"),
        ("NVIDIA Jetson Xavier NX Developer Kit", "jetson-xavier-nx"),
        ("NVIDIA Jetson Orin Nano Developer Kit", "jetson-orin-nano"),
        ("Freescale i.MX8MQ Phanbell", "coral-dev-board"),
    ],
)
def test_a_board_is_recognised_by_what_its_device_tree_says(board, name):
    assert recognise(machine(board=board), "linux").name == name


def test_a_mini_pc_is_recognised_by_its_processor():
    found = recognise(machine(arch="x86_64", board="AZW EQ12", cpu="Intel(R) N100"), "linux")
    assert found.name == "intel-n100"


def test_a_mac_is_recognised():
    assert recognise(machine(cpu="Apple M2"), "macos").name == "apple-silicon"


def test_a_32_bit_system_is_told_what_to_install_instead():
    found = recognise(machine(arch="armv7l", board="Raspberry Pi 4 Model B Rev 1.5"), "linux")
    assert not found.runs
    assert "64-bit" in found.why


def test_an_unknown_machine_is_no_board():
    assert recognise(machine(arch="x86_64", cpu="AMD Ryzen 7"), "linux") is None


def test_detection_and_recognition_meet(tmp_path, boards, monkeypatch):
    monkeypatch.setattr("alledge.devices.detection.architecture", lambda: "aarch64")
    root = boards.arm(tmp_path, "Raspberry Pi 5 Model B Rev 1.0", "0xd0b", boards.A76)
    found = describe_machine(root, engines=False)
    assert recognise(found, "linux").name == "raspberry-pi-5"
    assert choose(found, ["tflite"], 4096)["precision"] == "int8"


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UsageError, match="raspberry-pi-55"):
        get_profile("raspberry-pi-55")


def test_more_threads_than_cores_do_not_compute_more():
    profile = get_profile("raspberry-pi-5")
    assert profile.gops("float32", 99) == profile.gops("float32") == 4 * profile.gops("float32", 1)
    assert profile.accelerates_int8
    assert not get_profile("raspberry-pi-4").accelerates_int8


def test_a_gpu_is_chosen_only_where_the_installed_wheel_offers_it():
    jetson = machine(accelerators=["NVIDIA Tegra GPU"], providers=["CPUExecutionProvider"])
    without = choose(jetson, ["tflite", "onnx"], 4096)
    assert without["backend"] == "tflite"
    assert any("no installed ONNX Runtime offers it" in line for line in without["why"])
    jetson["providers"] = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert choose(jetson, ["tflite", "onnx"], 4096)["backend"] == "onnx"


def test_a_machine_without_an_engine_is_told_so():
    assert choose(machine(), [], 4096)["backend"] is None


def test_a_gpu_gets_float16_and_the_command_is_named():
    jetson = machine(accelerators=["NVIDIA Tegra GPU"], providers=["CUDAExecutionProvider"])
    use = choose(jetson, ["onnx", "tflite"], 4096)
    assert use["precision"] == "float16"
    assert any("--backend onnx" in line for line in use["why"])


@pytest.mark.parametrize(
    ("arch", "versions", "wanted"),
    [
        ("x86_64", {"tflite-runtime": "2.14.0"}, "float32"),
        ("x86_64", {"tflite-runtime": "2.14.0", "ai-edge-litert": "2.3.0"}, "int8"),
        ("aarch64", {"tflite-runtime": "2.14.0"}, "int8"),
    ],
)
def test_int8_is_not_chosen_where_the_old_runtime_is_slow_at_it(arch, versions, wanted):
    found = machine(arch=arch, versions=versions, flags=[])
    assert choose(found, ["tflite"], 4096)["precision"] == wanted


@pytest.mark.parametrize("profile", profiles().values(), ids=lambda profile: profile.name)
def test_int8_without_a_dot_product_is_three_instructions_where_float_is_four(profile: Profile):
    ratio = profile.int8_ops_per_cycle / profile.f32_flops_per_cycle
    assert ratio == pytest.approx(4 if profile.accelerates_int8 else 4 / 3, rel=0.01)


def test_carmel_has_no_dot_product():
    assert not get_profile("jetson-xavier-nx").accelerates_int8


def test_a_pi_is_packed_for_the_system_it_is_sold_with_today():
    for name in ("zero-2-w", "3b-plus", "4", "5"):
        assert get_profile(f"raspberry-pi-{name}").data["images"][0]["python"] == "3.13"
