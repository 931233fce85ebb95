"""Profiles: they match their schema, every number has a source, machines are recognised."""

import json
from pathlib import Path

import jsonschema
import pytest

from alledge.devices.profiles import Profile, get_profile, profiles, recognise
from alledge.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "runtime" / "schemas" / "device.json").read_text(encoding="utf-8"))
BOARDS = {
    "raspberry-pi-zero-2-w",
    "raspberry-pi-3b-plus",
    "raspberry-pi-4",
    "raspberry-pi-5",
    "jetson-nano",
    "jetson-xavier-nx",
    "jetson-orin-nano",
    "intel-n100",
    "intel-nuc",
    "office-pc-linux",
    "office-pc-windows",
    "apple-silicon",
    "coral-dev-board",
}


def test_every_board_that_the_project_names_has_a_profile():
    assert set(profiles()) >= BOARDS


@pytest.mark.parametrize("profile", profiles().values(), ids=lambda profile: profile.name)
def test_a_profile_matches_the_schema_and_names_a_source_for_every_number(profile: Profile):
    jsonschema.validate(profile.data, SCHEMA)
    assert (ROOT / "devices" / "profiles" / f"{profile.name}.toml").is_file()
    numbers = {
        f"{table}.{key}"
        for table in ("cpu", "memory")
        for key, value in profile.data[table].items()
        if isinstance(value, (int, float))
    }
    tables = {"images", "wheels", "accelerators"} & set(profile.data)
    assert set(profile.data["sources"]) == numbers | tables


@pytest.mark.parametrize("profile", profiles().values(), ids=lambda profile: profile.name)
def test_a_computed_rate_is_called_nominal(profile: Profile):
    for key in ("cpu.f32_flops_per_cycle", "cpu.int8_ops_per_cycle"):
        assert profile.data["sources"][key].startswith("nominal")


@pytest.mark.parametrize("profile", profiles().values(), ids=lambda profile: profile.name)
def test_a_board_that_runs_alledge_has_a_supported_python(profile: Profile):
    newest = max(int(image["python"].split(".")[1]) for image in profile.data["images"])
    assert (newest >= 10) or not profile.runs


def machine(**changes):
    """Return the part of a machine's description by which it is recognised."""
    return {"board": None, "arch": "aarch64", "cpu": None, **changes}


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
def test_a_board_is_recognised_by_its_device_tree(board, name):
    assert recognise(machine(board=board), "linux").name == name


def test_a_mini_pc_is_recognised_by_its_processor():
    profile = recognise(machine(arch="x86_64", board="AZW EQ12", cpu="Intel(R) N100"), "linux")
    assert profile.name == "intel-n100"


def test_a_mac_is_recognised():
    assert recognise(machine(cpu="Apple M2"), "macos").name == "apple-silicon"


def test_a_32_bit_system_gets_the_advice_to_install_a_64_bit_one():
    profile = recognise(machine(arch="armv7l", board="Raspberry Pi 4 Model B Rev 1.5"), "linux")
    assert not profile.runs
    assert "64-bit" in profile.why


def test_an_unknown_machine_has_no_profile():
    assert recognise(machine(arch="x86_64", cpu="AMD Ryzen 7"), "linux") is None


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UsageError, match="raspberry-pi-55"):
        get_profile("raspberry-pi-55")


def test_the_peak_rate_grows_up_to_one_thread_per_core():
    profile = get_profile("raspberry-pi-5")
    assert profile.gops("float32", 99) == profile.gops("float32") == 4 * profile.gops("float32", 1)
    assert profile.accelerates_int8
    assert not get_profile("raspberry-pi-4").accelerates_int8


@pytest.mark.parametrize("profile", profiles().values(), ids=lambda profile: profile.name)
def test_the_int8_rate_is_four_thirds_of_float_without_a_dot_product_and_four_times_with_one(
    profile: Profile,
):
    ratio = profile.int8_ops_per_cycle / profile.f32_flops_per_cycle
    assert ratio == pytest.approx(4 if profile.accelerates_int8 else 4 / 3, rel=0.01)


def test_carmel_has_no_dot_product():
    assert not get_profile("jetson-xavier-nx").accelerates_int8


def test_a_pi_is_packed_for_python_3_13():
    for name in ("zero-2-w", "3b-plus", "4", "5"):
        assert get_profile(f"raspberry-pi-{name}").data["images"][0]["python"] == "3.13"
