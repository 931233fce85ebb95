"""The command `alledge export`; imports only click before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..runtime.option_types import FilePath, FiniteFloatRange
from ..runtime.terminal import echo

if TYPE_CHECKING:
    from ..train.runs.run_folder import Run


@click.command()
@click.option("--model", metavar="M", help="Export the newest finished run of this model.")
@click.option("--head", type=click.Choice(["gap", "paper"]), help="Only runs with this head.")
@click.option(
    "--task",
    type=click.Choice(["field", "cell"]),
    help="Only runs of whole fields, or of cells.  [default: field; with --run, that of the run]",
)
@click.option(
    "--run", "run_path", type=FilePath(path_type=Path), metavar="RUN", help="Export this run."
)
@click.option("--int8", is_flag=True, help="Quantize weights and activations to 8-bit integers.")
@click.option("--float16", is_flag=True, help="Store weights in half precision.")
@click.option("--float32", is_flag=True, help="Keep the precision of training (default).")
@click.option("--dynamic", is_flag=True, help="Quantize weights only; activations at run time.")
@click.option(
    "--format",
    "formats",
    metavar="LIST",
    help="Formats, comma-separated: tflite,onnx,openvino.  [default: all that have the precision]",
)
@click.option(
    "--calibration",
    type=FilePath(path_type=Path),
    metavar="D",
    help="Folder of images for int8 ranges.  [default: the run's training images]",
)
@click.option(
    "--reference",
    type=FilePath(path_type=Path),
    metavar="DIR",
    help="Folder of images that may be shipped as references.  [default: generated smears]",
)
@click.option(
    "--out",
    type=FilePath(path_type=Path),
    metavar="BUNDLE",
    help="Folder to write.  [default: bundles/MODEL[-cell]-PRECISION]",
)
@click.option("--force", is_flag=True, help="Replace an existing bundle.")
@click.option(
    "--max-auc-drop",
    type=FiniteFloatRange(0, 1),
    default=0.005,
    show_default=True,
    help="Largest loss of AUC, out of fold; not used for float32.",
)
@click.option(
    "--max-lost-rate",
    type=FiniteFloatRange(0, 1),
    default=0.03,
    show_default=True,
    help="Largest share of the positive images found by the float model that may be lost, "
    "out of fold; not used for float32.",
)
@click.option(
    "--no-gate", is_flag=True, help="Do not measure the cost out of fold; the bundle records it."
)
@click.option("--quiet", is_flag=True, help="Show no progress on stderr.")
def export(
    model: str | None,
    head: str | None,
    task: str | None,
    run_path: Path | None,
    formats: str | None,
    calibration: Path | None,
    reference: Path | None,
    out: Path | None,
    force: bool,
    max_auc_drop: float,
    max_lost_rate: float,
    no_gate: bool,
    quiet: bool,
    **precisions: bool,
) -> None:
    """Quantize a run and convert it into a bundle.

    Every artifact is compared with the float model. One that differs too much is refused and
    kept as *.rejected.

    \b
    Example:
      alledge export --model mobilenetv2 --int8
    """
    from .convert.capabilities import check_formats, supported_formats, unsupported_formats
    from .gate.accuracy_gate import Budget
    from .options import ExportOptions, default_place
    from .process import export_run
    from .progress import ExportProgress
    from .summary import summary

    precision = _precision(precisions)
    unsupported: dict[str, str] = {}
    if formats is None:
        requested = supported_formats(precision)
        unsupported = unsupported_formats(precision)
    else:
        requested = tuple(name.strip() for name in formats.split(","))
    requested = check_formats(precision, requested)
    run = _find_run(model, head, task, run_path)
    options = ExportOptions(
        run=run,
        precision=precision,
        formats=requested,
        out=out or default_place(run, precision),
        force=force,
        calibration=calibration,
        reference=reference,
        budget=Budget(auc_drop=max_auc_drop, lost_rate=max_lost_rate),
        gate=not no_gate,
    )
    with ExportProgress(quiet) as progress:
        for name, reason in unsupported.items():
            progress.say(f"{name} refused: {reason}")
        outcome = export_run(options, progress.step, progress.say, progress.plan)
    echo(summary(outcome, unsupported))


def _precision(flags: dict[str, bool]) -> str:
    """Return the named precision; float32 if none is named."""
    from ..errors import UsageError

    named = [name for name, given in flags.items() if given]
    if len(named) > 1:
        raise UsageError(
            f"two precisions were named: {', '.join(named)}",
            allowed="one precision per export",
            fix=f"--{named[0]}, then another export with --{named[1]}",
        )
    return named[0] if named else "float32"


def _find_run(model: str | None, head: str | None, task: str | None, path: Path | None) -> Run:
    """Return the run in a folder, or the newest finished run of a model."""
    from ..errors import UsageError
    from ..train.networks.architectures import architecture
    from ..train.runs.run_folder import RUNS, load_run, newest_finished
    from ..train.runs.types import FIELD

    if model is None and path is None:
        raise UsageError("neither a model nor a run was named", fix="--model mobilenetv2")
    if model is not None:
        architecture(model)  # raises the error that suggests the nearest name
    if path is None:
        return newest_finished(RUNS, str(model), head, task or FIELD)
    run = load_run(path)
    for option, value in (("model", model), ("head", head), ("task", task)):
        if value not in (None, run.record[option]):
            raise UsageError(
                f"the run {path} has the {option} {run.record[option]}, not {value}",
                fix=f"--{option} {run.record[option]}",
            )
    return run
