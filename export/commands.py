"""The command of the export room; imports only click before it runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--model", metavar="M", help="Model whose newest finished run is exported.")
@click.option("--head", type=click.Choice(["gap", "paper"]), help="Only runs with this head.")
@click.option(
    "--run", "run_path", type=click.Path(path_type=Path), metavar="RUN", help="Export this run."
)
@click.option("--int8", is_flag=True, help="Quantize to 8-bit integers.")
@click.option("--float16", is_flag=True, help="Half-precision weights.")
@click.option("--float32", is_flag=True, help="As trained (default).")
@click.option("--dynamic", is_flag=True, help="8-bit weights, float ranges.")
@click.option(
    "--format",
    "formats",
    metavar="LIST",
    help="Formats, comma-separated: tflite,onnx,openvino.  [default: all that can]",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="D",
    help="Folder of images for int8 ranges.  [default: the run's training images]",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Images that may be shipped as references.  [default: generated smears]",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="BUNDLE", help="Where to write.")
@click.option("--force", is_flag=True, help="Replace an existing bundle.")
@click.option(
    "--max-auc-drop",
    type=click.FloatRange(0, 1),
    default=0.005,
    show_default=True,
    help="Budget of all but float32: area under the ROC curve, out of fold.",
)
@click.option(
    "--max-lost-positives",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Budget of all but float32: images, out of fold.",
)
@click.option("--no-gate", is_flag=True, help="Do not measure it out of fold; recorded.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def export(
    model: str | None,
    head: str | None,
    run_path: Path | None,
    formats: str | None,
    calibration: Path | None,
    reference: Path | None,
    out: Path | None,
    force: bool,
    max_auc_drop: float,
    max_lost_positives: int,
    no_gate: bool,
    quiet: bool,
    **precisions: bool,
) -> None:
    """Quantize a run and convert it into a bundle.

    Every artifact is proven to be the same model, or refused and kept aside as *.rejected.

    \b
    Example:
      alledge export --model mobilenetv2 --int8
    """
    from .convert.capabilities import able, check_formats, refused
    from .gate.accuracy_gate import Budget
    from .options import ExportOptions, default_place
    from .process import export_run
    from .progress import ExportProgress
    from .summary import summary

    precision = _precision(precisions)
    left_out = refused(precision) if formats is None else {}
    wanted = check_formats(
        precision, able(precision) if formats is None else [f.strip() for f in formats.split(",")]
    )
    run = _find_run(model, head, run_path)
    order = ExportOptions(
        run,
        precision,
        wanted,
        out or default_place(run, precision),
        force,
        calibration,
        reference,
        Budget(max_auc_drop, max_lost_positives),
        not no_gate,
    )
    with ExportProgress(quiet) as progress:
        for form, reason in left_out.items():
            progress.say(f"{form} refused: {reason}")
        result = export_run(order, progress.step, progress.say)
    click.echo(summary(result, left_out))


def _precision(flags: dict[str, bool]) -> str:
    """Return the precision that was named; float32 where none was."""
    from ..errors import UsageError

    named = [name for name, given in flags.items() if given]
    if len(named) > 1:
        raise UsageError(
            f"two precisions were named: {', '.join(named)}",
            allowed="one an export",
            fix=f"--{named[0]}, then another export with --{named[1]}",
        )
    return named[0] if named else "float32"


def _find_run(model: str | None, head: str | None, path: Path | None):  # type: ignore[no-untyped-def]
    from ..errors import UsageError
    from ..train.networks.architectures import architecture
    from ..train.runs.run_folder import RUNS, load_run, newest_finished

    if model is None and path is None:
        raise UsageError("neither a model nor a run was named", fix="--model mobilenetv2")
    if model is not None:
        architecture(model)  # an unknown name is told with the nearest
    if path is None:
        return newest_finished(RUNS, str(model), head)
    run = load_run(path)
    for what, wanted in (("model", model), ("head", head)):
        if wanted not in (None, run.record[what]):
            raise UsageError(
                f"the run {path} has the {what} {run.record[what]}, not {wanted}",
                fix=f"--{what} {run.record[what]}",
            )
    return run
