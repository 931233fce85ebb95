"""Keep what the estimates stand on: ``python -m alledge.devices.calibrate RESULT.json BUNDLE...``.

Writes ``calibration.json`` beside this file: the layers of each model, from the bundles, and what
`alledge benchmark` measured of them on one quiet machine.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ..runtime.bundle import Bundle
from ..runtime.files import write_json
from .graph import read_layers, summed

KEPT = ("model", "precision", "backend", "threads")


def distil(result: dict[str, Any], bundles: list[Bundle]) -> dict[str, Any]:
    """Return what is kept of a benchmark's document and the bundles it measured.

    Parameters
    ----------
    result : dict
        An ``alledge/benchmark`` document.
    bundles : list of Bundle
    """
    rows = []
    for row in result["rows"]:
        if row["kind"] == "measured" and row["status"] == "ok" and row["latency"]:
            kept = {key: row[key] for key in KEPT}
            rows.append({**kept, "ms": row["latency"]["p50_ms"], "peak_mib": row["peak_mib"]})
    machine = {key: result["machine"][key] for key in ("cpu", "arch", "flags", "cores_physical")}
    return {
        "command": "python -m alledge.devices.calibrate RESULT.json BUNDLE...",
        "machine": machine,
        "versions": result["machine"]["versions"],
        "created": result["created"],
        "models": {bundle.record["model"]: summed(read_layers(bundle)) for bundle in bundles},
        "rows": rows,
    }


def main() -> None:
    """Read the result and the bundles, and write the file."""
    result = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    document = distil(result, [Bundle.open(path) for path in sys.argv[2:]])
    target = Path(__file__).with_name("calibration.json")
    write_json(target, document)
    print(f"{target}: {len(document['models'])} models, {len(document['rows'])} rows")


if __name__ == "__main__":
    main()
