"""Writes ``roofline_calibration.json``, the measurements that the estimates are based on.

``python -m alledge.devices.estimates.calibrate_roofline RESULT.json BUNDLE...`` stores the layers
of each bundle's model, the latencies that `alledge benchmark` measured on one quiet machine, and
the peak rates of that machine. Run it on the measured machine: a result does not contain the
family of its processor.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import AlledgeError, DataError, UsageError
from ...runtime.bundle.bundle import Bundle
from ...runtime.files import write_json
from ...runtime.json_documents import read_json
from ...runtime.json_schema import check_document
from ..detection import ROOT, cpuinfo, describe_machine
from ..types import CalibrationRow, RooflineCalibration
from .layer_costs import count_equal_layers, read_layers
from .roofline import CALIBRATION_FILE

COMMAND = "python -m alledge.devices.estimates.calibrate_roofline RESULT.json BUNDLE..."
MACHINE_KEYS = ("arch", "flags", "cores_physical")


@dataclass(frozen=True)
class ProcessorId:
    """Vendor, family and model of a processor; None where unknown."""

    vendor: str | None = None
    family: int | None = None
    model: int | None = None


@dataclass(frozen=True)
class CorePeaks:
    """Peak rates of one core, and the memory bandwidth.

    Parameters
    ----------
    ghz : float
    f32_flops_per_cycle, int8_ops_per_cycle : float
        A multiply-add counts as two operations.
    gb_per_s : float
    source : str
    """

    ghz: float
    f32_flops_per_cycle: float
    int8_ops_per_cycle: float
    gb_per_s: float
    source: str


# The best of these instruction sets that a processor has decides its peaks.
DECIDING_FLAGS = ("avx512_vnni", "avx_vnni", "avx512f", "avx2")
# By vendor, family and deciding instruction set, as /proc/cpuinfo spells them.
KNOWN_PEAKS = {
    ("AuthenticAMD", 25, "avx2"): CorePeaks(
        ghz=3.5,
        f32_flops_per_cycle=32,
        int8_ops_per_cycle=42.67,
        gb_per_s=25.0,
        source="nominal: two 256-bit FMA a cycle, for int8 VPMADDUBSW, VPMADDWD and VPADDD for 32 "
        "multiply-adds (AMD Software Optimization Guide, family 19h, Zen 3); the clock under "
        "load is not shown to a guest, 3.5 GHz is taken; bandwidth is one core's usual share",
    ),
    ("AuthenticAMD", 26, "avx512_vnni"): CorePeaks(
        ghz=4.5,
        f32_flops_per_cycle=64,
        int8_ops_per_cycle=256,
        gb_per_s=40.0,
        source="nominal: two 512-bit FMA and two 512-bit VPDPBUSD a cycle (AMD Software "
        "Optimization Guide, family 1Ah, Zen 5); the clock under load is not shown to a guest, "
        "4.5 GHz is taken; bandwidth is one core's usual share",
    ),
}


def processor_id(root: Path = ROOT) -> ProcessorId:
    """Return vendor, family and model of this machine's processor.

    Parameters
    ----------
    root : Path
        Folder that contains ``proc``.
    """
    first = next(iter(cpuinfo(root)), {})
    family, model = first.get("cpu family", ""), first.get("model", "")
    return ProcessorId(
        vendor=first.get("vendor_id"),
        family=int(family) if family.isdigit() else None,
        model=int(model) if model.isdigit() else None,
    )


def known_peaks(processor: ProcessorId, flags: list[str]) -> CorePeaks:
    """Return the peak rates of a processor.

    Raises
    ------
    UsageError
        If `KNOWN_PEAKS` does not contain it: wrong peaks would make every estimate wrong.
    """
    best = next((name for name in DECIDING_FLAGS if name in flags), "none of them")
    peaks = KNOWN_PEAKS.get((processor.vendor or "", processor.family or 0, best))
    if peaks is None:
        raise UsageError(
            f"the peaks of {processor.vendor} family {processor.family} with {best} are not known",
            allowed=[
                f"{vendor} family {family} with {flag}" for vendor, family, flag in KNOWN_PEAKS
            ],
            fix="--peaks GHZ F32_FLOPS_PER_CYCLE INT8_OPS_PER_CYCLE GB_PER_S SOURCE, from the "
            "maker's optimization guide",
        )
    return peaks


def calibration_document(
    result: Mapping[str, Any], bundles: list[Bundle], processor: ProcessorId, peaks: CorePeaks
) -> RooflineCalibration:
    """Return the calibration from a benchmark document and the bundles that it measured.

    Parameters
    ----------
    result : mapping
        An ``alledge/benchmark`` document.
    bundles : list of Bundle
        One with a TFLite model for each model.
    processor : ProcessorId
    peaks : CorePeaks
        Of the measured machine.
    """
    rows: list[CalibrationRow] = [
        {
            "model": row["model"],
            "precision": row["precision"],
            "backend": row["backend"],
            "threads": row["threads"],
            "ms": row["latency"]["p50_ms"],
            "peak_mib": row["peak_mib"],
        }
        for row in result["rows"]
        if row["kind"] == "measured" and row["status"] == "ok" and row["latency"]
    ]
    machine = result["machine"]
    return {
        "command": COMMAND,
        "machine": {
            "cpu": machine["cpu"],
            **asdict(processor),
            **{key: machine[key] for key in MACHINE_KEYS},
            "peaks": asdict(peaks),
        },
        "versions": machine["versions"],
        "created": result["created"],
        "models": {
            bundle.record["model"]: count_equal_layers(read_layers(bundle)) for bundle in bundles
        },
        "rows": rows,
    }


def check_same_machine(measured: Mapping[str, Any], this: Mapping[str, Any]) -> None:
    """Refuse a result that another machine than this one measured.

    Parameters
    ----------
    measured, this : mapping
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
    """Read the result and the bundles, and write the calibration."""
    parser = argparse.ArgumentParser(description="Write the calibration of the roofline.")
    parser.add_argument("result", type=Path)
    parser.add_argument("bundles", nargs="*", type=Path)
    parser.add_argument("--peaks", nargs=5, metavar=("GHZ", "F32", "INT8", "GB_PER_S", "SOURCE"))
    options = parser.parse_args()
    result = read_json(options.result, error=DataError)
    check_document(result, "benchmark", options.result, error=DataError)
    if options.peaks:
        processor = ProcessorId()
        ghz, f32, int8, gb_per_s = map(float, options.peaks[:4])
        peaks = CorePeaks(
            ghz=ghz,
            f32_flops_per_cycle=f32,
            int8_ops_per_cycle=int8,
            gb_per_s=gb_per_s,
            source=options.peaks[4],
        )
    else:
        check_same_machine(result["machine"], describe_machine(engines=False))
        processor = processor_id()
        peaks = known_peaks(processor, result["machine"]["flags"])
    bundles = [Bundle.open(path) for path in options.bundles]
    document = calibration_document(result, bundles, processor, peaks)
    target = Path(__file__).with_name(CALIBRATION_FILE)
    write_json(target, document)
    print(f"{target}: {len(document['models'])} models, {len(document['rows'])} rows")


if __name__ == "__main__":
    try:
        main()
    except AlledgeError as error:
        sys.exit(str(error))
