"""Keeps OpenVINO to kernels that give the same int8 answer on every x86 CPU.

Its kernels for AMX, which CPUs of servers have, round between int8 layers in another way: scores of
a MobileNetV2 differ by up to 0.03 from those of all other x86 CPUs, which agree to 0.0000005.
"""

from __future__ import annotations

import os

# Read by oneDNN, OpenVINO's library of kernels, when it is first used in a process.
VARIABLE, NEWEST_INSTRUCTIONS = "ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16"


def leave_amx_out() -> None:
    """Let OpenVINO use instructions up to AVX-512 only; what the variable already says stays."""
    os.environ.setdefault(VARIABLE, NEWEST_INSTRUCTIONS)
