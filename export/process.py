"""The whole of an export: a finished run in, a proven bundle out; loads no converter itself."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from ..errors import ExportError
from .bundle_writer import check_place, put_aside, write_document
from .capabilities import check_formats
from .jobs import Jobs
from .order import Export, Made, Order, default_place
from .work import Work

__all__ = ["Export", "Made", "Order", "default_place", "export_run"]


def export_run(
    order: Order,
    watch: Callable[[str], None] = lambda title: None,
    say: Callable[[str], None] = lambda text: None,
) -> Export:
    """Convert a run, prove each artifact, and write the bundle.

    Parameters
    ----------
    order : Order
    watch : callable, optional
        Called with the title of each step.
    say : callable, optional
        Called with what a person should know.

    Returns
    -------
    Export

    Raises
    ------
    UsageError
        If a format cannot do the precision, or the bundle's place is taken.
    ExportError
        If a conversion fails or an artifact is not the same model; what was made is kept aside
        as ``*.rejected`` then, and no bundle is written.
    """
    check_formats(order.precision, order.formats)
    check_place(order.out, order.force)
    with tempfile.TemporaryDirectory(prefix="alledge-export-") as folder:
        jobs = Jobs(Path(folder), watch)
        work = Work(order, jobs, Path(folder), say)
        result = Export(order, log=jobs.log)
        try:
            work.prepare()
            for form in order.formats:
                try:
                    result.made[form] = work.make(form)
                except ExportError as error:
                    result.failures[form] = error.what
            if result.failures:
                raise _refusal(result, work)
            work.write(result.made)
        finally:
            order.out.parent.mkdir(parents=True, exist_ok=True)
            write_document(
                _log_file(order.out),
                {"schema": "alledge/export-log", "schema_version": 1, "steps": jobs.log},
            )
    return result


def _log_file(out: Path) -> Path:
    return out.with_name(f"{out.name}.log.json")


def _refusal(result: Export, work: Work) -> ExportError:
    out = result.order.out
    aside = put_aside(
        out,
        work.folders(),
        {
            "why.json": {
                "schema": "alledge/rejected",
                "schema_version": 1,
                "failures": result.failures,
                "gates": work.gates,
                "parity": work.parities,
            }
        },
    )
    good = [form for form in result.order.formats if form in result.made]
    told = "; ".join(f"{form}: {why}" for form, why in result.failures.items())
    return ExportError(
        f"no bundle was written: {told}. What was made is kept in {aside}",
        fix=f"--format {','.join(good)} leaves the rest out"
        if good
        else "more calibration images, another precision, or a larger --max-auc-drop or "
        "--max-lost-positives",
    )
