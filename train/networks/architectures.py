"""The six architectures and the two heads as rows of data. Imports neither keras nor tensorflow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ...errors import unknown_name
from .types import HeadDescription, ModelDescription, ModelsDocument

INPUT_SIZE = 224  # pixels; the paper uses this size for all six models, also for InceptionV3
BYTES_PER_FLOAT = 4
SOURCE = "Comparative Analysis of CNN Models for ALL Diagnosis"


@dataclass(frozen=True)
class Scaling:
    """Scaling of an image, per channel: ``pixel * scale + offset``."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]


# the preprocessing functions of keras.applications
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
_SIGNED = Scaling(scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3)
_STANDARDIZED = Scaling(
    scale=tuple(1 / (255 * deviation) for deviation in _DEVIATION),
    offset=tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),
)
_CENTRED = Scaling(scale=(1.0,) * 3, offset=(-103.939, -116.779, -123.68))


@dataclass(frozen=True)
class Architecture:
    """A base network, the scaling of its input, and how the paper trained it.

    Parameters
    ----------
    name : str
    title : str
        Name in the paper, and name of the factory in `keras.applications`.
    scaling : Scaling
        Of the base's input.
    bgr : bool
        Whether the base needs BGR. The image loader always gives RGB.
    feature_shape : tuple of int
        Shape of the base's output for an image of 224 x 224.
    base_parameters : int
        Number of trainable parameters of the base.
    norm_statistics : int
        Number of moving means and variances of its batch normalization.
    paper_trains_base : bool
        Whether the paper trained the base, according to its printed parameter counts.
    paper_epochs : int
    paper_accuracy : float
        As reported, on 22 test images.
    macs : int
        Multiply-accumulate operations of the base's convolutions, for an image of 224 x 224.
    """

    name: str
    title: str
    scaling: Scaling
    bgr: bool
    feature_shape: tuple[int, int, int]
    base_parameters: int
    norm_statistics: int
    paper_trains_base: bool
    paper_epochs: int
    paper_accuracy: float
    macs: int


@dataclass(frozen=True)
class Head:
    """The layers after the base: how they pool features, and the dense layers.

    Parameters
    ----------
    name : str
    flatten : bool
        True keeps the features of every position, False averages over the positions.
    dense : tuple of int
        Units of the hidden layers.
    dropout : float
        Share of features that are dropped during training.
    base_as_paper : bool
        True trains or freezes the base as the paper did, False always trains it.
    """

    name: str
    flatten: bool
    dense: tuple[int, ...]
    dropout: float
    base_as_paper: bool


@dataclass(frozen=True)
class ParameterCount:
    """Numbers of parameters of a network, as Keras counts them.

    Parameters
    ----------
    trainable, frozen : int
        Frozen parameters include the statistics of batch normalization.
    """

    trainable: int
    frozen: int

    @property
    def network(self) -> int:
        """Number of parameters of the network alone."""
        return self.trainable + self.frozen

    @property
    def optimizer(self) -> int:
        """Size of Adam's state: two numbers per trainable parameter, the step and the rate."""
        return 2 * self.trainable + 2

    @property
    def total(self) -> int:
        """Size of a checkpoint with the optimizer's state."""
        return self.network + self.optimizer


# fmt: off
ARCHITECTURES: dict[str, Architecture] = {
    row.name: row
    for row in (
        Architecture(
            name="vgg16", title="VGG16", scaling=_CENTRED, bgr=True,
            feature_shape=(7, 7, 512), base_parameters=14_714_688, norm_statistics=0,
            paper_trains_base=True, paper_epochs=50, paper_accuracy=0.8923, macs=15_346_630_656,
        ),
        Architecture(
            name="vgg19", title="VGG19", scaling=_CENTRED, bgr=True,
            feature_shape=(7, 7, 512), base_parameters=20_024_384, norm_statistics=0,
            paper_trains_base=True, paper_epochs=50, paper_accuracy=0.9010, macs=19_508_428_800,
        ),
        Architecture(
            name="resnet101v2", title="ResNet101V2", scaling=_SIGNED, bgr=False,
            feature_shape=(7, 7, 2048), base_parameters=42_528_896, norm_statistics=97_664,
            paper_trains_base=False, paper_epochs=60, paper_accuracy=0.9250, macs=7_192_428_544,
        ),
        Architecture(
            name="densenet201", title="DenseNet201", scaling=_STANDARDIZED, bgr=False,
            feature_shape=(7, 7, 1920), base_parameters=18_092_928, norm_statistics=229_056,
            paper_trains_base=False, paper_epochs=50, paper_accuracy=0.9430, macs=4_289_445_888,
        ),
        Architecture(
            name="mobilenetv2", title="MobileNetV2", scaling=_SIGNED, bgr=False,
            feature_shape=(7, 7, 1280), base_parameters=2_223_872, norm_statistics=34_112,
            paper_trains_base=True, paper_epochs=40, paper_accuracy=0.9100, macs=299_494_272,
        ),
        Architecture(
            name="inceptionv3", title="InceptionV3", scaling=_SIGNED, bgr=False,
            feature_shape=(5, 5, 2048), base_parameters=21_768_352, norm_statistics=34_432,
            paper_trains_base=True, paper_epochs=45, paper_accuracy=0.9200, macs=2_835_873_120,
        ),
    )
}
# fmt: on

HEADS: dict[str, Head] = {
    "gap": Head("gap", flatten=False, dense=(), dropout=0.2, base_as_paper=False),
    "paper": Head("paper", flatten=True, dense=(256, 128), dropout=0.0, base_as_paper=True),
}


def architecture(name: str) -> Architecture:
    """Return the architecture of this name.

    Raises
    ------
    UsageError
        If there is none. The message names the nearest one.

    Examples
    --------
    >>> architecture("vgg16").title
    'VGG16'
    """
    if name not in ARCHITECTURES:
        raise unknown_name("model", name, ARCHITECTURES)
    return ARCHITECTURES[name]


def head_row(name: str) -> Head:
    """Return the head of this name.

    Raises
    ------
    UsageError
        If there is none. The message names the nearest one.
    """
    if name not in HEADS:
        raise unknown_name("head", name, HEADS)
    return HEADS[name]


def trains_base(row: Architecture, head: Head) -> bool:
    """Return whether the base is trained in a model of this architecture and this head."""
    return row.paper_trains_base or not head.base_as_paper


def count_parameters(row: Architecture, head: Head, classes: int = 2) -> ParameterCount:
    """Return the numbers of parameters of a model without building it.

    Parameters
    ----------
    row : Architecture
    head : Head
    classes : int
        Number of labels, >= 2. Two labels share one sigmoid unit.

    Returns
    -------
    ParameterCount

    Examples
    --------
    >>> count_parameters(architecture("vgg16"), head_row("gap"))
    ParameterCount(trainable=14715201, frozen=0)
    """
    height, width, channels = row.feature_shape
    features = height * width * channels if head.flatten else channels
    units = [features, *head.dense, 1 if classes == 2 else classes]
    dense = sum((inputs + 1) * outputs for inputs, outputs in pairwise(units))
    if trains_base(row, head):
        return ParameterCount(dense + row.base_parameters, row.norm_statistics)
    return ParameterCount(dense, row.base_parameters + row.norm_statistics)


def describe() -> ModelsDocument:
    """Return all architectures as the JSON document of ``alledge models --json``."""
    return {
        "schema": "alledge/models",
        "schema_version": 1,
        "models": [_describe_model(row) for row in ARCHITECTURES.values()],
    }


def _describe_model(row: Architecture) -> ModelDescription:
    return {
        "name": row.name,
        "title": row.title,
        "input": [INPUT_SIZE, INPUT_SIZE, 3],
        "features": list(row.feature_shape),
        "heads": {name: _describe_head(row, head) for name, head in HEADS.items()},
        "paper": {
            "base": "trained" if row.paper_trains_base else "frozen",
            "epochs": row.paper_epochs,
            "reported_accuracy": row.paper_accuracy,
            "test_images": 22,
            "source": SOURCE,
        },
    }


def _describe_head(row: Architecture, head: Head) -> HeadDescription:
    parameters = count_parameters(row, head)
    return {
        "trainable": parameters.trainable,
        "non_trainable": parameters.frozen,
        "optimizer": parameters.optimizer,
        "total": parameters.total,
        "float32_mb": round(parameters.network * BYTES_PER_FLOAT / 1e6, 1),
        "int8_mb": round(parameters.network / 1e6, 1),
        "checkpoint_mb": round(parameters.total * BYTES_PER_FLOAT / 1e6, 1),
    }
