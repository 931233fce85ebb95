"""Which machine a result belongs to, and which machines may be compared."""

from __future__ import annotations

from typing import Any

from ..devices.detection import describe_machine
from .types import Machine

# Results of two machines are comparable only if all of these agree.
IDENTITY_KEYS = (
    "board", "cpu", "flags", "arch", "cores_physical", "cores_logical", "quota_cores", "governor",
    "os", "python", "versions",
)  # fmt: skip


def describe_this_machine() -> Machine:
    """Return the machine block of a result document. No engine is imported."""
    return dict(describe_machine(engines=False))


def comparison_key(machine: Machine) -> tuple[str, ...]:
    """Return a hashable key that is equal for machines whose results are comparable."""
    return tuple(repr(_comparable(machine, key)) for key in IDENTITY_KEYS)


def differences(here: Machine, there: Machine) -> list[str]:
    """Return messages about what makes two machines incomparable.

    Returns
    -------
    list of str
        Empty if results of the machines are comparable.

    Examples
    --------
    >>> differences({"flags": ["avx", "fma"]}, {"flags": ["avx"]})
    ['flags: fma here only']
    """
    messages = []
    for key in IDENTITY_KEYS:
        ours, theirs = _comparable(here, key), _comparable(there, key)
        if repr(ours) == repr(theirs):
            continue
        if isinstance(ours, list) and isinstance(theirs, list):  # name only what differs
            only = (
                ([item for item in ours if item not in theirs], "here only"),
                ([item for item in theirs if item not in ours], "there only"),
            )
            parts = [f"{_describe(items)} {where}" for items, where in only if items]
            messages.append(f"{key}: {', '.join(parts)}")
            continue
        messages.append(f"{key}: {_describe(ours)} here, {_describe(theirs)} there")
    return messages


def _comparable(machine: Machine, key: str) -> Any:
    """Return a value whose repr is equal for comparable machines."""
    value = machine.get(key)
    if isinstance(value, dict):
        # The version of alledge is what a comparison measures, so it may differ.
        return sorted(item for item in value.items() if item[0] != "alledge" and item[1])
    return sorted(value) if isinstance(value, list) else value


def _describe(value: Any) -> str:
    if isinstance(value, list):
        words = [" ".join(item) if isinstance(item, tuple) else str(item) for item in value]
        return ", ".join(words) or "none"
    return "unknown" if value is None else str(value)
