"""The six architectures and the two heads as rows of data; imports neither keras nor tensorflow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ...errors import unknown_name

INPUT_SIZE = 224  # pixels; the paper feeds all six, InceptionV3 too, at this size
BYTES_PER_FLOAT = 4
SOURCE = "Comparative Analysis of CNN Models for ALL Diagnosis"

# What keras.applications subtracts and divides by, as `pixel * scale + offset`.
_SIGNED = ((1 / 127.5,) * 3, (-1.0,) * 3)
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_STANDARD = (
    tuple(1 / (255 * deviation) for deviation in _DEVIATION),
    tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),
)
_CENTRED = ((1.0,) * 3, (-103.939, -116.779, -123.68))


@dataclass(frozen=True)
class Architecture:
    """One row: a base network, how its input is scaled, and what the paper did with it.

    Parameters
    ----------
    name : str
    title : str
        As the paper writes it, and the factory's name in `keras.applications`.
    scale, offset : tuple of float
        Per channel: the base sees ``pixel * scale + offset``.
    reverse : bool
        True if the base wants BGR; the image path always gives RGB.
    features : tuple of int
        Shape of the base's output at 224 x 224.
    base_parameters : int
        Numbers that training can change in the base.
    statistics : int
        Moving means and variances of its batch normalization.
    paper_trains_base : bool
        What the paper's printed parameter counts say.
    paper_epochs : int
    paper_accuracy : float
        As reported, on 22 test images.
    macs : int
        Multiplications with an addition in the base's convolutions, for one image of 224 x 224.
    """

    name: str
    title: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    reverse: bool
    features: tuple[int, int, int]
    base_parameters: int
    statistics: int
    paper_trains_base: bool
    paper_epochs: int
    paper_accuracy: float
    macs: int


@dataclass(frozen=True)
class Head:
    """What stands on the base: how features become one vector, and the dense layers after it.

    Parameters
    ----------
    name : str
    flatten : bool
        True keeps every position, False averages over them.
    dense : tuple of int
        Units of the hidden layers.
    dropout : float
        Share of features dropped while training.
    base_as_paper : bool
        True if the base is trained or frozen as the paper had it; False trains it always.
    """

    name: str
    flatten: bool
    dense: tuple[int, ...]
    dropout: float
    base_as_paper: bool


@dataclass(frozen=True)
class ParameterCount:
    """Parameters of a network, counted as Keras prints them.

    Parameters
    ----------
    trainable, frozen : int
        Frozen includes the statistics of batch normalization.
    """

    trainable: int
    frozen: int

    @property
    def optimizer(self) -> int:
        """Numbers Adam keeps: two a trainable parameter, its step and its learning rate."""
        return 2 * self.trainable + 2

    @property
    def total(self) -> int:
        """Everything a checkpoint with the optimizer's state holds."""
        return self.trainable + self.frozen + self.optimizer

    @property
    def network(self) -> int:
        """Parameters of the network alone."""
        return self.trainable + self.frozen


ARCHITECTURES: dict[str, Architecture] = {
    row.name: row
    for row in (
        Architecture(
            "vgg16",
            "VGG16",
            *_CENTRED,
            True,
            (7, 7, 512),
            14_714_688,
            0,
            True,
            50,
            0.8923,
            15_346_630_656,
        ),
        Architecture(
            "vgg19",
            "VGG19",
            *_CENTRED,
            True,
            (7, 7, 512),
            20_024_384,
            0,
            True,
            50,
            0.9010,
            19_508_428_800,
        ),
        Architecture(
            "resnet101v2",
            "ResNet101V2",
            *_SIGNED,
            False,
            (7, 7, 2048),
            42_528_896,
            97_664,
            False,
            60,
            0.9250,
            7_192_428_544,
        ),
        Architecture(
            "densenet201",
            "DenseNet201",
            *_STANDARD,
            False,
            (7, 7, 1920),
            18_092_928,
            229_056,
            False,
            50,
            0.9430,
            4_289_445_888,
        ),
        Architecture(
            "mobilenetv2",
            "MobileNetV2",
            *_SIGNED,
            False,
            (7, 7, 1280),
            2_223_872,
            34_112,
            True,
            40,
            0.9100,
            299_494_272,
        ),
        Architecture(
            "inceptionv3",
            "InceptionV3",
            *_SIGNED,
            False,
            (5, 5, 2048),
            21_768_352,
            34_432,
            True,
            45,
            0.9200,
            2_835_873_120,
        ),
    )
}

HEADS: dict[str, Head] = {
    row.name: row
    for row in (
        Head("gap", flatten=False, dense=(), dropout=0.2, base_as_paper=False),
        Head("paper", flatten=True, dense=(256, 128), dropout=0.0, base_as_paper=True),
    )
}


def architecture(name: str) -> Architecture:
    """Return the row of this name.

    Raises
    ------
    UsageError
        If there is none; names the nearest.
    """
    if name not in ARCHITECTURES:
        raise unknown_name("model", name, ARCHITECTURES)
    return ARCHITECTURES[name]


def head_row(name: str) -> Head:
    """Return the head of this name.

    Raises
    ------
    UsageError
        If there is none; names the nearest.
    """
    if name not in HEADS:
        raise unknown_name("head", name, HEADS)
    return HEADS[name]


def trains_base(row: Architecture, head: Head) -> bool:
    """Return whether the base of this model is trained, as the paper or as the head has it."""
    return row.paper_trains_base or not head.base_as_paper


def count_parameters(row: Architecture, head: Head, classes: int = 2) -> ParameterCount:
    """Return the parameters of a model without building it.

    Parameters
    ----------
    row : Architecture
    head : Head
    classes : int
        Labels; two share one sigmoid unit.

    Returns
    -------
    ParameterCount
    """
    height, width, channels = row.features
    units = [
        height * width * channels if head.flatten else channels,
        *head.dense,
        1 if classes == 2 else classes,
    ]
    dense = sum((before + 1) * after for before, after in pairwise(units))
    if trains_base(row, head):
        return ParameterCount(dense + row.base_parameters, row.statistics)
    return ParameterCount(dense, row.base_parameters + row.statistics)


def describe() -> dict[str, Any]:
    """Return all rows as the JSON document that ``alledge models --json`` prints."""
    return {
        "schema": "alledge/models",
        "schema_version": 1,
        "models": [*map(_row, ARCHITECTURES.values())],
    }


def _row(row: Architecture) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "input": [INPUT_SIZE, INPUT_SIZE, 3],
        "features": list(row.features),
        "heads": {name: _head(row, head) for name, head in HEADS.items()},
        "paper": {
            "base": "trained" if row.paper_trains_base else "frozen",
            "epochs": row.paper_epochs,
            "reported_accuracy": row.paper_accuracy,
            "test_images": 22,
            "source": SOURCE,
        },
    }


def _head(row: Architecture, head: Head) -> dict[str, Any]:
    counted = count_parameters(row, head)
    return {
        "trainable": counted.trainable,
        "non_trainable": counted.frozen,
        "optimizer": counted.optimizer,
        "total": counted.total,
        "float32_mb": round(counted.network * BYTES_PER_FLOAT / 1e6, 1),
        "int8_mb": round(counted.network / 1e6, 1),
        "checkpoint_mb": round(counted.total * BYTES_PER_FLOAT / 1e6, 1),
    }
