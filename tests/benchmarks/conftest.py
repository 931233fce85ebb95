"""Fixtures of the benchmark tests: a bundle of a tiny network, and a real measurement of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alledge.cli import main
from alledge.runtime.data.datasets import Dataset
from support import bundles

QUICK = ("--seconds", "0.02", "--rounds", "2", "--max-rounds", "2", "--threads", "1")

Json = dict[str, Any]
Run = Callable[..., Result]


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs the command line in this process. The measured processes are real."""
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="session")
def maker() -> ModuleType:
    """The module that writes test bundles."""
    return bundles


@pytest.fixture(scope="session")
def measured(
    run: Run, bundle: Path, smears: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a real measurement of the bundle, with accuracy on generated smears."""
    out: Path = tmp_path_factory.mktemp("measured")
    result = run("benchmark", bundle, "--data", smears.root, "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def document(measured: Path) -> Json:
    """The result of that measurement. A test may change it."""
    content: Json = json.loads((measured / "benchmark.json").read_text(encoding="utf-8"))
    return content


def _elsewhere(document: Json, **changes: Any) -> Json:
    """Return the document as if another machine had written it."""
    other = copy.deepcopy(document)
    other["machine"].update({"cpu": "Cortex-A76", "board": "Raspberry Pi 5", **changes})
    return other


def _estimated(document: Json) -> Json:
    """Return the document with its rows turned into estimates for another board."""
    other = _elsewhere(document, board="Jetson Nano", cpu="Cortex-A57")
    for row in other["rows"]:
        nothing = dict.fromkeys(("end_to_end", "throughput", "cold_start_ms", "steady_mib"))
        row |= {"kind": "estimated", "basis": "from cycles", **nothing, "accuracy": None}
        row["latency"] |= {"n": 0, "ci": None, "p95_ms": None}
    return other


@pytest.fixture(scope="session")
def elsewhere() -> Callable[..., Json]:
    """Returns a copy of a document as if another machine had written it."""
    return _elsewhere


@pytest.fixture(scope="session")
def estimated() -> Callable[[Json], Json]:
    """Returns a copy of a document whose rows are estimates."""
    return _estimated


@pytest.fixture
def page(run: Run, measured: Path, document: Json, tmp_path: Path) -> Path:
    """The report of a measured machine and of a machine with estimates only.

    Its times and memory are fixed: the labels of a chart depend on them.
    """
    for row, ms in zip(document["rows"], (2.0, 5.0, 12.0, 30.0, 70.0, 150.0), strict=False):
        times = {
            "p50_ms": ms,
            "ci": {"low": 0.95 * ms, "high": 1.05 * ms},
            "p95_ms": 1.2 * ms,
        }
        for scope in ("latency", "end_to_end"):
            if row[scope]:
                row[scope] |= times
        row["peak_mib"] = 100.0  # the size of the mark
    document["rows"][0] |= {"model": "<b>tiny</b> & co", "reached_width": True}
    document["rows"][1] |= {"model": "mobilenetv2", "precision": "dynamic", "parity": "fail"}
    document["rows"][1]["reached_width"] = True
    document["rows"][2] |= {"model": "resnet101v2", "reached_width": False, "set_aside": 2}
    files = []
    for name, content in (("here", document), ("there", _estimated(document))):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(content), encoding="utf-8")
    result = run("report", *files, "--out", tmp_path / "report.html")
    assert result.exit_code == 0, result.output
    return tmp_path / "report.html"
