"""Measures bundles and writes the result document: the function behind ``alledge benchmark``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ...runtime.data.datasets import Dataset, read_dataset
from ...runtime.data.layout_types import ReadOptions
from ...runtime.files import write_json
from ...runtime.outputs import check_outputs, make_folder
from ..machine_identity import describe_this_machine
from ..result_file import RESULT_NAME, build_result, check_training
from ..types import Conditions, DataBlock, Result
from .configurations import SAMPLE_IMAGE, BenchmarkOptions, choose_image, list_configurations
from .rounds_log import CONDITIONS, ROUNDS, RoundsLog
from .runner import AccuracyData, Runner


def measure(
    bundles: Sequence[str | Path],
    out: str | Path,
    options: BenchmarkOptions | None = None,
    *,
    data: str | Path | None = None,
    read_options: ReadOptions | None = None,
    include_seen: bool = False,
    backends: Sequence[str] = (),
    threads: Sequence[int] = (),
    image: str | Path | None = None,
    minutes: float | None = None,
    report_progress: Callable[[str], None] = lambda line: None,
) -> Result:
    """Measure bundles on this machine, or continue an interrupted measurement.

    Parameters
    ----------
    bundles : sequence of str or Path
    out : str or Path
        Folder of the log of rounds and of ``benchmark.json``.
    options : BenchmarkOptions, optional
    data : str or Path, optional
        Data set for accuracy. Images that a model was trained on are left out.
    read_options, include_seen
        As `evaluate_bundle`.
    backends, threads
        As `list_configurations`.
    image : str or Path, optional
        The image that is timed end to end. By default the first image of the data set, or a drawn
        image.
    minutes : float, optional
        No round starts after this time. A second call continues.
    report_progress : callable
        Called with a message after each round.

    Returns
    -------
    Result
        The document that ``out/benchmark.json`` holds.

    Raises
    ------
    AlledgeError
        As `list_configurations`, `check_training`, `read_dataset` and `RoundsLog`, and if the
        folder cannot be written, or holds a file that a new measurement would replace.

    Examples
    --------
    >>> result = measure(["bundles/mobilenetv2-int8"], "measured")  # doctest: +SKIP
    >>> result["rows"][0]["latency"]["p50_ms"]  # doctest: +SKIP
    2.49
    """
    deadline_s = None if minutes is None else time.monotonic() + 60 * minutes
    options, out = options or BenchmarkOptions(), Path(out)
    configurations, skipped = list_configurations(bundles, backends, threads)
    for message in skipped:
        report_progress(message)
    for configuration in configurations:
        check_training(configuration.bundle)
    read_options = read_options or ReadOptions()
    dataset = read_dataset(data, read_options) if data is not None else None
    for line in dataset.description() if dataset is not None else ():
        report_progress(line)
    draws = image is None and dataset is None
    make_folder(out)
    if not (out / CONDITIONS).exists():  # a new measurement, which replaces no file
        names = [CONDITIONS, ROUNDS, RESULT_NAME, *([SAMPLE_IMAGE] if draws else [])]
        check_outputs([out / name for name in names], can_force=False)
    image_path, image_description = choose_image(out, image, dataset)
    accuracy_data = None
    if dataset is not None:
        accuracy_data = AccuracyData(str(data), read_options, include_seen, len(dataset.samples))
    conditions: Conditions = {
        "machine": describe_this_machine(),
        "settings": options.settings_block(image_description),
        "data": None if dataset is None else _data_block(dataset),
    }
    # The number of rounds may differ when a measurement is continued; a round may not.
    round_settings = {"seconds": options.seconds, "image": image_description}
    accuracy_settings = {"include_seen": include_seen}
    log = RoundsLog(
        out, {**conditions, "settings": round_settings, "include_seen": accuracy_settings}
    )
    if log.note:
        report_progress(log.note)
    runner = Runner(log, options, image_path, accuracy_data, deadline_s, report_progress)
    complete = False
    try:
        for complete in runner.run(configurations):
            result = build_result(log, configurations, conditions, complete)
            write_json(out / RESULT_NAME, result)
    finally:  # also if the user interrupts it
        result = build_result(log, configurations, conditions, complete)
        write_json(out / RESULT_NAME, result)
    return result


def _data_block(dataset: Dataset) -> DataBlock:
    return {
        "name": dataset.name,
        "layout": dataset.layout,
        "fingerprint": dataset.fingerprint(),
        "images": len(dataset.samples),
        "generated": dataset.generated,
    }
