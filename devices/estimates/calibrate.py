"""Keep what the estimates stand on.

``python -m alledge.devices.estimates.calibrate RESULT.json BUNDLE...``. Writes ``calibration.json``
beside this file: the layers of each model, from the bundles, what `alledge benchmark` measured of
them on one quiet machine, and that machine's peaks. It runs on the machine that was measured, since
a result does not say which family its processor is of.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import AlledgeError, UsageError
from ...runtime.bundle.bundle import Bundle
from ...runtime.files import write_json
from ..detection import ROOT, cpuinfo, describe_machine
from .layer_costs import count_equal_layers, read_layers

KEPT = ("model", "precision", "backend", "threads")
OF_MACHINE = ("arch", "flags", "cores_physical")


@dataclass(frozen=True)
class Peaks:
    """What one core of a machine can do at most, and its memory.

    Parameters
    ----------
    ghz, f32_flops_per_cycle, int8_ops_per_cycle, gb_per_s : float
        As in a profile.
    source : str
    """

    ghz: float
    f32_flops_per_cycle: float
    int8_ops_per_cycle: float
    gb_per_s: float
    source: str


# By vendor, family and the best of these instruction sets, as /proc/cpuinfo spells them.
DECIDING = ("avx512_vnni", "avx_vnni", "avx512f", "avx2")
KNOWN = {
    ("AuthenticAMD", 25, "avx2"): Peaks(
        *(3.5, 32, 42.67, 25.0),
        "nominal: two 256-bit FMA a cycle, for int8 VPMADDUBSW, VPMADDWD and VPADDD for 32 "
        "multiply-adds (AMD Software Optimization Guide, family 19h, Zen 3); the clock under "
        "load is not shown to a guest, 3.5 GHz is taken; bandwidth is one core's usual share",
    ),
    ("AuthenticAMD", 26, "avx512_vnni"): Peaks(
        *(4.5, 64, 256, 40.0),
        "nominal: two 512-bit FMA and two 512-bit VPDPBUSD a cycle (AMD Software Optimization "
        "Guide, family 1Ah, Zen 5); the clock under load is not shown to a guest, 4.5 GHz is "
        "taken; bandwidth is one core's usual share",
    ),
}


def identity(root: Path = ROOT) -> dict[str, Any]:
    """Return vendor, family and model of this machine's processor, None where it does not say.

    Parameters
    ----------
    root : Path
        Where ``/proc`` is; another one in tests.
    """
    first = next(iter(cpuinfo(root)), {})
    numbers = {"family": first.get("cpu family", ""), "model": first.get("model", "")}
    return {
        "vendor": first.get("vendor_id"),
        **{key: int(text) if text.isdigit() else None for key, text in numbers.items()},
    }


def known_peaks(said: dict[str, Any], flags: list[str]) -> Peaks:
    """Return the peaks of a processor.

    Parameters
    ----------
    said : dict
        As `identity` returns it.
    flags : list of str

    Raises
    ------
    UsageError
        If nothing is known of it: another processor's peaks would bend every estimate.
    """
    best = next((name for name in DECIDING if name in flags), "none of them")
    peaks = KNOWN.get((said["vendor"], said["family"], best))
    if peaks is None:
        raise UsageError(
            f"the peaks of {said['vendor']} family {said['family']} with {best} are not known",
            allowed=[f"{vendor} family {family} with {flag}" for vendor, family, flag in KNOWN],
            fix="--peaks GHZ F32_FLOPS_PER_CYCLE INT8_OPS_PER_CYCLE GB_PER_S SOURCE, from the "
            "maker's optimization guide",
        )
    return peaks


def distil(
    result: dict[str, Any], bundles: list[Bundle], said: dict[str, Any], peaks: Peaks
) -> dict[str, Any]:
    """Return what is kept of a benchmark's document and the bundles it measured.

    Parameters
    ----------
    result : dict
        An ``alledge/benchmark`` document.
    bundles : list of Bundle
    said : dict
        As `identity` returns it.
    peaks : Peaks
        Of the machine that was measured.
    """
    rows = []
    for row in result["rows"]:
        if row["kind"] == "measured" and row["status"] == "ok" and row["latency"]:
            kept = {key: row[key] for key in KEPT}
            rows.append({**kept, "ms": row["latency"]["p50_ms"], "peak_mib": row["peak_mib"]})
    machine = result["machine"]
    return {
        "command": "python -m alledge.devices.estimates.calibrate RESULT.json BUNDLE...",
        "machine": {
            "cpu": machine["cpu"],
            **said,
            **{key: machine[key] for key in OF_MACHINE},
            "peaks": asdict(peaks),
        },
        "versions": machine["versions"],
        "created": result["created"],
        "models": {
            bundle.record["model"]: count_equal_layers(read_layers(bundle)) for bundle in bundles
        },
        "rows": rows,
    }


def check_same_machine(measured: dict[str, Any], this: dict[str, Any]) -> None:
    """Refuse a result of another machine than this one.

    Parameters
    ----------
    measured, this : dict
        As `detection.describe_machine` returns them.

    Raises
    ------
    UsageError
    """
    for key in ("cpu", "arch", "flags"):
        if measured[key] != this[key]:
            raise UsageError(
                f"the result was measured on another machine: {key} {measured[key]}",
                allowed=this[key],
                fix="run this on the machine that was measured, or name its --peaks",
            )


def main() -> None:
    """Read the result and the bundles, and write the file."""
    parser = argparse.ArgumentParser(description="Keep what the estimates stand on.")
    parser.add_argument("result", type=Path)
    parser.add_argument("bundles", nargs="*", type=Path)
    parser.add_argument("--peaks", nargs=5, metavar=("GHZ", "F32", "INT8", "GB_PER_S", "SOURCE"))
    options = parser.parse_args()
    result = json.loads(options.result.read_text(encoding="utf-8"))
    if options.peaks:
        said: dict[str, Any] = dict.fromkeys(("vendor", "family", "model"))
        ghz, f32, int8, gb_per_s = map(float, options.peaks[:4])
        peaks = Peaks(ghz, f32, int8, gb_per_s, source=options.peaks[4])
    else:
        check_same_machine(result["machine"], describe_machine(engines=False))
        said = identity()
        peaks = known_peaks(said, result["machine"]["flags"])
    document = distil(result, [Bundle.open(path) for path in options.bundles], said, peaks)
    target = Path(__file__).with_name("calibration.json")
    write_json(target, document)
    print(f"{target}: {len(document['models'])} models, {len(document['rows'])} rows")


if __name__ == "__main__":
    try:
        main()
    except AlledgeError as error:
        sys.exit(str(error))
