"""The machine a result belongs to, and which machines may be compared."""

from __future__ import annotations

from typing import Any

from ..devices.detection import describe_machine

Json = dict[str, Any]

# Two machines are alike if all of these agree: only then may their figures stand side by side as
# one, and only then is one a baseline for the other.
LIKE = (
    *("board", "cpu", "flags", "arch", "cores_physical", "cores_logical", "quota_cores"),
    *("governor", "os", "python", "versions"),
)


def describe() -> Json:
    """Return the machine block of a document."""
    return dict(describe_machine(engines=False))


def comparison_key(machine: Json) -> tuple[Any, ...]:
    """Return what two like machines have in common, ready to be compared."""
    return tuple(repr(_comparable(machine, key)) for key in LIKE)


def differences(one: Json, other: Json) -> list[str]:
    """Return in words what makes two machines unlike; empty where they are alike."""
    said = []
    for key in LIKE:
        here, there = _comparable(one, key), _comparable(other, key)
        if repr(here) == repr(there):
            continue
        if isinstance(here, list) and isinstance(there, list):  # only what differs of it
            both = [item for item in here if item in there]
            here, there = ([item for item in side if item not in both] for side in (here, there))
        said.append(f"{key}: {_words(here)} here, {_words(there)} there")
    return said


def _comparable(machine: Json, key: str) -> Any:
    """Return a value whose repr tells likeness; alledge's own version is what is measured."""
    value = machine.get(key)
    if isinstance(value, dict):
        return sorted(item for item in value.items() if item[0] != "alledge" and item[1])
    return sorted(value) if isinstance(value, list) else value


def _words(value: Any) -> str:
    """Word a value that machines differ in."""
    if isinstance(value, list):
        words = [" ".join(item) if isinstance(item, tuple) else str(item) for item in value]
        return ", ".join(words) or "none more"
    return "unknown" if value is None else str(value)
