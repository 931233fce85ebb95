"""Folds are converted once, whether ahead or when their scores are asked for."""

from functools import partial

import numpy as np

from alledge.export.convert.jobs import JobRunner
from alledge.export.convert.quantization_recipes import Recipe
from alledge.export.gate.fold_artifacts import FoldArtifacts
from alledge.export.source_run import read_run_images


def test_a_fold_that_was_scored_ahead_is_not_converted_again(tiny_run, tmp_path):
    run_images = read_run_images(tiny_run)
    with JobRunner(tmp_path) as jobs:
        folds = FoldArtifacts(tiny_run, run_images, jobs, tmp_path / "folds", "float32")
        jobs.run_in_background(
            partial(folds.scores, "tflite", Recipe(), fold) for fold in tiny_run.fold_numbers
        )
        first = folds.scores("tflite", Recipe(), tiny_run.fold_numbers[0])
        for fold in tiny_run.fold_numbers:
            scores = folds.scores("tflite", Recipe(), fold)
            assert len(scores) == len(run_images.tested_images(fold))
        again = folds.scores("tflite", Recipe(), tiny_run.fold_numbers[0])
    titles = [row["step"] for row in jobs.log]
    assert len(titles) == len(set(titles))
    assert np.array_equal(first, again)
