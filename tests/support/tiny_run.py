"""Writes a finished run of a tiny network with two folds, as training writes it.

The data set is generated smears. Those labelled "blast" are darker, so that a convolution of
eight channels separates them well and int8 costs little.
"""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE, IMAGES, FOLDS = 64, 24, 2
LABELS = ["healthy", "blast"]
DARK = 0.7
SALT = "00112233445566778899aabbccddeeff"


def make(path: Path) -> None:
    """Write ``data/`` and ``run/`` below a folder."""
    from alledge.runtime.data.datasets import read_dataset

    _draw(path / "data")
    data = read_dataset(path / "data")
    _train(path / "run", data)


def _draw(root: Path) -> None:
    from alledge.train.phantom.smears import draw_field

    for index in range(IMAGES):
        image, _ = draw_field(9, index, False, size=160)
        is_blast = index % 2 == 1
        pixels = np.asarray(image.resize((SIZE, SIZE)), np.float32) * (DARK if is_blast else 1.0)
        folder = root / LABELS[is_blast]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.round().astype(np.uint8)).save(folder / f"{index:03d}.png")


def _train(path: Path, data: Any) -> None:
    from alledge.runtime.bundle.seen_images import pixel_hash
    from alledge.runtime.guards.fitting import fit_guards
    from alledge.runtime.guards.image_statistics import image_statistics
    from alledge.runtime.image_settings import ImageSettings
    from alledge.runtime.imaging import load_image

    settings = ImageSettings(size=SIZE, draft=SIZE)
    loaded = [load_image(sample.path, settings) for sample in data.samples]
    images = np.stack([pixels for pixels, _ in loaded])
    truth = np.array([data.labels.index(sample.label) for sample in data.samples])
    folds = np.arange(len(truth)) % FOLDS + 1
    scores = np.zeros((len(truth), 2), np.float32)
    for fold in range(1, FOLDS + 1):
        network = fit_network(images[folds != fold], truth[folds != fold])
        (path / "folds" / str(fold)).mkdir(parents=True)
        network.save(path / "folds" / str(fold) / "model.keras")
        p = np.asarray(network(images[folds == fold].astype(np.float32)))[:, 0]
        scores[folds == fold] = np.stack([1 - p, p], axis=1)
    fit_network(images, truth).save(path / "model.keras")
    hashes = sorted(pixel_hash(SALT, image) for image in images)
    guards = fit_guards([image_statistics(*image) for image in loaded])
    _write(path, data, truth, folds, scores, settings.to_json(), hashes, guards)


def fit_network(images: np.ndarray, truth: np.ndarray) -> Any:
    """Return a small network fitted on these images."""
    import keras
    from sklearn.linear_model import LogisticRegression

    keras.utils.set_random_seed(3)
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    scaled = keras.layers.Rescaling(1 / 255, name="scaling")(pixels)
    inner = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(8, 3, strides=4, use_bias=False)(inner)
    x = keras.layers.ReLU(6.0)(keras.layers.BatchNormalization()(x))
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = keras.layers.ReLU(6.0)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Conv2D(16, 1, activation="relu")(x)
    base = keras.Model(inner, x, name="base")
    features = keras.layers.GlobalAveragePooling2D(name="average")
    dense = keras.layers.Dense(1, activation="sigmoid", name="scores")
    head = keras.Sequential([keras.Input(base.output_shape[1:]), features, dense], name="head")
    network = keras.Model(pixels, head(base(scaled)), name="tiny")
    body = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(base(scaled)))
    values = np.asarray(body(images.astype(np.float32)), np.float64)
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-6
    classifier = LogisticRegression(C=1.0).fit((values - mean) / spread, truth)
    kernel = classifier.coef_[0] / spread
    bias = classifier.intercept_[0] - float(kernel @ mean)
    dense.set_weights([kernel[:, None].astype(np.float32), np.array([bias], np.float32)])
    return network


def _write(
    path: Path,
    data: Any,
    truth: np.ndarray,
    folds: np.ndarray,
    scores: np.ndarray,
    image_path: dict[str, Any],
    hashes: list[str],
    guards: dict[str, Any] | None,
) -> None:
    from alledge.runtime.metrics.metrics import summarize
    from alledge.train.runs.calibration_fitting import fit_decision, fit_temperature

    names = [data.relative(sample) for sample in data.samples]
    temperature = fit_temperature(truth, scores)
    decision = fit_decision(truth == 1, scores[:, 1])
    with (path / "predictions.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["image", "label", "fold", "group", "camera", "truth", "score_healthy", "score_blast"]
        )
        for row in zip(names, data.samples, folds, truth, scores, strict=True):
            name, sample, fold, label, score = row
            writer.writerow(
                [name, sample.label, fold, sample.group, sample.camera, label, *score.tolist()]
            )
    with (path / "split.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "fold", "group", "label", "camera", "trained_by", "tested_by"])
        for name, sample, fold in zip(names, data.samples, folds, strict=True):
            others = " ".join(str(other) for other in range(1, FOLDS + 1) if other != fold)
            writer.writerow([name, fold, sample.group, sample.label, sample.camera, others, fold])
    record = {
        "schema": "alledge/run",
        "schema_version": 1,
        "model": "mobilenetv2",
        "head": "gap",
        "task": "field",
        "labels": LABELS,
        "positive": ["blast"],
        "image_path": image_path,
        "seed": 0,
        "split": {"kind": "grouped", "folds": FOLDS, "digest": "sha256:" + "0" * 64},
        "weights": "none",
        "data": {
            "name": data.name,
            "layout": data.layout,
            "fingerprint": data.fingerprint(),
            "images": len(names),
            "generated": True,
            "root": str(data.root),
        },
        "temperature": temperature,
        "threshold": decision.threshold,
        "band": [decision.low, decision.high],
        "oof": summarize(truth, scores, LABELS, ["blast"], 0.5, names),
        "guards": guards,
        "seen": {"salt": SALT, "hashes": hashes},
        "code": {"version": "test", "commit": hashlib.sha1(b"", usedforsecurity=False).hexdigest()},
        "finished": "2026-01-01T00:00:00Z",
    }
    (path / "run.json").write_text(json.dumps(record), encoding="utf-8")
