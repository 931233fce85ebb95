"""Prepares what the conversions of one export share: references, calibration images, gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ExportError
from ..runtime.bundle.validation import validate_labels
from ..runtime.image_settings import ImageSettings
from ..runtime.json_values import InvalidValueError
from ..runtime.types import GuardsRecord
from ..train.runs.run_folder import Run
from .ahead import ConversionsAhead, convert_ahead, folds_at_once
from .convert.calibration_images import (
    GENERATED,
    CalibrationImages,
    load_cell_folder,
    load_folder,
)
from .convert.capabilities import GATED
from .convert.conversion import Conversion
from .convert.jobs import JobRunner
from .gate.accuracy_gate import Gate
from .gate.fold_artifacts import FoldArtifacts
from .gate.out_of_fold import OutOfFoldPredictions
from .options import ExportOptions, default_place
from .scored_references import (
    choose_references,
    reference_pool,
    scored_references,
    scores_of_float_model,
)
from .shipped_check import ShippedCheck, check_images
from .source_cells import cell_settings, is_cell_run
from .source_run import RunImages, current_guards, read_run_images
from .types import CalibrationSource, DecisionRule, References

ARTIFACTS = "artifacts"  # folder that holds one folder a format
MODEL_TITLE = "model"  # the beginning of the titles of the steps of the exported network


@dataclass(frozen=True)
class Preparation:
    """What the conversions of one export share.

    Parameters
    ----------
    options : ExportOptions
    name : str
        Of the bundle.
    labels, positives : list of str
    float_rule : DecisionRule
        The rule that the run fitted for its float model.
    guards : dict or None
        The ``guards`` of the bundle.
    folder : Path
        Holds the artifacts, one folder a format.
    conversion : Conversion
        Of the network that was refitted on all images.
    references : References
    calibration : CalibrationSource, optional
        None if the precision needs no calibration.
    gate : Gate, optional
        None if the precision needs no gate or the gate cannot be evaluated.
    no_gate_reason : str, optional
        Why the gate is not evaluated although the precision needs it.
    shipped_check : ShippedCheck, optional
        None for float32, and where no real image is at hand.
    ahead : ConversionsAhead
        The conversions that were begun before their results are needed.
    """

    options: ExportOptions
    name: str
    labels: list[str]
    positives: list[str]
    float_rule: DecisionRule
    guards: GuardsRecord | None
    folder: Path
    conversion: Conversion
    references: References
    calibration: CalibrationSource | None = None
    gate: Gate | None = None
    no_gate_reason: str | None = None
    shipped_check: ShippedCheck | None = None
    ahead: ConversionsAhead = field(default_factory=ConversionsAhead)


def prepare(
    options: ExportOptions, jobs: JobRunner, folder: Path, say: Callable[[str], None]
) -> Preparation:
    """Read the run's images, choose the references and set up the gate.

    Parameters
    ----------
    options : ExportOptions
    jobs : JobRunner
    folder : Path
        For artifacts and intermediate results.
    say : callable
        Called with messages for the user.

    Raises
    ------
    ExportError
        If int8 has no images to calibrate on, the float model cannot be converted, no bundle can
        have the labels of the run, or the run has guards of an earlier version and its images are
        not there.
    """
    run, precision = options.run, options.precision
    _check_labels(run)
    settings = ImageSettings.from_json(run.record["image_path"])
    name = default_place(run, precision).name
    conversion = Conversion(
        jobs, run.model_path, folder / "model", MODEL_TITLE, labels=run.labels, name=name
    )
    jobs.run_in_background([conversion.float_tflite])  # it needs no image
    guards = current_guards(run)
    run_images, reason = _run_images(options)
    given = _given_images(options, settings)
    calibration = _calibration_images(precision, run_images, given, reason)
    for warning in calibration.warnings() if calibration is not None else ():
        say(warning)
    no_gate_reason = _no_gate_reason(options, run_images, reason)
    if no_gate_reason is not None:
        say(f"gate not evaluated: {no_gate_reason}")
    if calibration is not None:
        conversion.calibrate_on(calibration.images)
    rule, labels, positives = DecisionRule.from_run(run), list(run.labels), list(run.positive)
    gate, folds = None, None
    if run_images is not None and no_gate_reason is None:
        given_images = None if given is None else given.images
        folds = FoldArtifacts(run, run_images, jobs, folder / "gate", precision, given_images, say)
        predictions = OutOfFoldPredictions.from_run(run, run_images)
        at_once = folds_at_once(run.model_path)
        gate = Gate(predictions, folds.scores, precision, options.budget, at_once)
    cells = cell_settings(run) if is_cell_run(run) else None
    ahead = convert_ahead(options, jobs, conversion, folds, folder / ARTIFACTS)
    pool = reference_pool(settings, options.reference, cells)
    images = choose_references(
        conversion, rule, labels, positives, pool, generated=options.reference is None
    )
    chosen = None
    if precision in GATED:
        chosen = check_images(run, run_images, given, gated=gate is not None)
    float_scores, scores_of_chosen = scores_of_float_model(
        conversion, images, None if chosen is None else chosen.images
    )
    ahead.use_all_threads()
    references = scored_references(
        images,
        float_scores,
        rule,
        labels,
        positives,
        "given" if options.reference else "generated",
        cells,
    )
    if not references.coverage["informative"]:
        say("the references do not cover both labels and the threshold: not informative")
    check = None
    if chosen is not None and scores_of_chosen is not None:
        check = ShippedCheck(chosen, scores_of_chosen, rule, labels, positives)
    return Preparation(
        options=options,
        name=name,
        labels=labels,
        positives=positives,
        float_rule=rule,
        guards=guards,
        folder=folder / ARTIFACTS,
        conversion=conversion,
        references=references,
        calibration=_calibration_source(precision, calibration, given),
        gate=gate,
        no_gate_reason=no_gate_reason,
        shipped_check=check,
        ahead=ahead,
    )


def _given_images(options: ExportOptions, settings: ImageSettings) -> CalibrationImages | None:
    """Return the calibration images that the user named, None if none were named."""
    if options.calibration is None:
        return None
    if is_cell_run(options.run):
        return load_cell_folder(options.calibration, cell_settings(options.run))
    return load_folder(options.calibration, settings)


def _run_images(options: ExportOptions) -> tuple[RunImages | None, str | None]:
    """Return the run's images if the precision needs them, and else the reason why not."""
    if options.precision not in GATED:
        return None, None
    try:
        return read_run_images(options.run), None
    except ExportError as error:
        return None, error.what


def _calibration_images(
    precision: str,
    run_images: RunImages | None,
    given: CalibrationImages | None,
    reason: str | None,
) -> CalibrationImages | None:
    """Return the calibration images of the network that was refitted on all images."""
    if precision != "int8" or given is not None:
        return given
    if run_images is None:
        raise ExportError(f"there is nothing to calibrate on: {reason}", fix="--calibration DATA")
    return run_images.calibration_images()


def _calibration_source(
    precision: str, calibration: CalibrationImages | None, given: CalibrationImages | None
) -> CalibrationSource | None:
    if precision != "int8" or calibration is None:
        return None
    source = "training images" if given is None else "given"
    if given is None and GENERATED in calibration.labels:
        source = "training images and generated smears"
    return {
        "source": source,
        "images": len(calibration.images),
        "warnings": calibration.warnings(),
    }


def _no_gate_reason(
    options: ExportOptions, run_images: RunImages | None, reason: str | None
) -> str | None:
    """Return why the gate is not evaluated although the precision needs it, None if it is."""
    if options.precision not in GATED:
        return None
    if not options.gate:
        return "it was disabled with --no-gate"
    if run_images is None:
        return reason
    run = options.run
    missing = [number for number in run.fold_numbers if not run.fold_model_path(number).is_file()]
    if missing:
        return f"the networks of the folds {missing} are missing"
    predictions = OutOfFoldPredictions.from_run(run, run_images)
    if not predictions.both_classes(predictions.rows(run.fold_numbers)):
        return "the out-of-fold images are all on one side of the diagnosis"
    return None


def _check_labels(run: Run) -> None:
    """Refuse labels that a device would refuse, before anything is converted."""
    try:
        validate_labels(run.record["labels"], run.record["positive"])
    except InvalidValueError as error:
        raise ExportError(
            f"the run {run.path} cannot be exported: {error.key} {error.what}",
            allowed=error.allowed,
            fix="rename the folders of the data set and train again",
        ) from None
