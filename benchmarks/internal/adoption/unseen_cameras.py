"""Features of cells of a camera that a network has not seen, from a camera-split run.

The networks of the folds compute them in float32 with Keras. They are stored, because the trials
need them again and again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import RunError
from ....export.bundle.writer import write_arrays
from ....export.source_run import RunImages, read_run_images
from ....runtime.bundle.last_layers import LastLayer
from ....runtime.sites.refit import SiteHead
from ....runtime.sites.solver import Examples
from ....train.networks.saved_network import load_network
from ....train.runs.run_folder import Run, load_run

KEYS = ("camera", "features", "truth", "groups", "weights", "bias")


@dataclass(frozen=True)
class OtherCamera:
    """A network and the cells of a camera that it has not seen.

    Parameters
    ----------
    name : str
        The camera of the cells.
    fold : int
    examples : Examples
        Cells whose truth is known, in groups of fields that the network was not trained on.
    shipped : SiteHead
        The layer of the network, with temperature, threshold and band of the run.
    """

    name: str
    fold: int
    examples: Examples
    shipped: SiteHead


def other_cameras(run: Run, store: Path) -> Iterator[OtherCamera]:
    """Yield the network of each fold with the cells of the camera whose blasts test it.

    Parameters
    ----------
    run : Run
        Of the task ``"cell"``, with the split ``camera``.
    store : Path
        An ``.npz`` file, written if it does not exist.

    Raises
    ------
    RunError
        If the run has another task or split.
    """
    if run.record["task"] != "cell" or run.record["split"]["kind"] != "camera":
        raise RunError(f"{run.path} is no run of cells with a camera split")
    if not store.exists():
        write_arrays(store, dict(_fold_arrays(run)))
    with np.load(store, allow_pickle=False) as arrays:
        for fold in run.fold_numbers:
            yield _other_camera(run, fold, {key: arrays[f"{fold}-{key}"] for key in KEYS})


def _other_camera(run: Run, fold: int, arrays: dict[str, NDArray[Any]]) -> OtherCamera:
    record, layer = run.record, LastLayer(arrays["weights"], arrays["bias"])
    shipped = SiteHead(layer, record["temperature"], record["threshold"], tuple(record["band"]))
    examples = Examples(arrays["features"], arrays["truth"], arrays["groups"])
    return OtherCamera(str(arrays["camera"].item()), fold, examples, shipped)


def _fold_arrays(run: Run) -> Iterator[tuple[str, NDArray[Any]]]:
    from ....train.networks.network import HEAD

    images = read_run_images(run)
    groups = np.unique(images.groups, return_inverse=True)[1].astype(np.int64)
    truth = np.array([run.labels.index(label) for label in images.labels], dtype=np.int64)
    for fold in run.fold_numbers:
        camera, cells = unseen_cells(images, run, fold)
        network = load_network(run.fold_model_path(fold))
        weights, bias = network.get_layer(HEAD).layers[-1].get_weights()
        yield f"{fold}-camera", np.array(camera)
        yield f"{fold}-features", features_of_cells(network, images.images[cells])
        yield f"{fold}-truth", truth[cells]
        yield f"{fold}-groups", groups[cells]
        yield f"{fold}-weights", weights
        yield f"{fold}-bias", bias


def features_of_cells(network: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the input of the last dense layer of a network, (N, D), for the squares of cells."""
    from ....train.fitting.training_loop import forward
    from ....train.networks.network import features_of

    features = forward(features_of(network), pixels)
    if features.ndim == 4:  # the head averages over the places
        features = features.mean(axis=(1, 2))
    return features.astype(np.float32)


def unseen_cells(images: RunImages, run: Run, fold: int) -> tuple[str, NDArray[np.int64]]:
    """Return the camera whose blasts test a fold, and its cells whose groups did not train it."""
    positive = [
        index for index in images.tested_images(fold) if images.labels[index] in run.positive
    ]
    camera = images.cameras[positive[0]]
    trained = {
        group
        for group, folds in zip(images.groups, images.trained_by, strict=True)
        if fold in folds
    }
    known = np.ones(len(images.names), bool) if images.known is None else images.known
    cells = [
        index
        for index in range(len(images.names))
        if images.cameras[index] == camera and known[index] and images.groups[index] not in trained
    ]
    return camera, np.array(cells, dtype=np.int64)


def read_other_cameras(run: Path, store: Path) -> list[OtherCamera]:
    """Return what `other_cameras` yields for the folder of a run."""
    return list(other_cameras(load_run(run), store))
