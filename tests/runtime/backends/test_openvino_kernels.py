"""OpenVINO computes int8 with the same kernels on every x86 CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from alledge.runtime.backends.openvino_kernels import NEWEST_INSTRUCTIONS, VARIABLE, leave_amx_out
from alledge.runtime.bundle.finding import builtin_folder

PRIMITIVES = """
import json, os, sys
from pathlib import Path
import openvino
from alledge.runtime.backends.openvino import OpenvinoBackend
backend = OpenvinoBackend(Path(sys.argv[1]), 1, 1, None)
assert os.environ["ONEDNN_MAX_CPU_ISA"] == "AVX512_CORE_FP16"
nodes = backend._models[0].get_runtime_model().get_ordered_ops()
sys.stdout.write(json.dumps([node.get_rt_info()["primitiveType"].astype(str) for node in nodes]))
"""


def primitives() -> list[str]:
    """Return the kernels of the built-in int8 artifact, in a new process."""
    variables = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = [sys.executable, "-c", PRIMITIVES, str(builtin_folder() / "model.xml")]
    output = subprocess.run(
        command, env=variables, capture_output=True, check=True, encoding="utf-8"
    ).stdout
    names: list[str] = json.loads(output)
    return names


def test_no_kernel_uses_amx() -> None:
    pytest.importorskip("openvino")
    names = primitives()
    assert any("i8" in name.lower() for name in names)
    assert [name for name in names if "amx" in name] == []


def test_instructions_that_the_user_names_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "AVX2")
    leave_amx_out()
    assert os.environ[VARIABLE] == "AVX2"
    monkeypatch.delenv(VARIABLE)
    leave_amx_out()
    assert os.environ[VARIABLE] == NEWEST_INSTRUCTIONS
