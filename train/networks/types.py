"""The JSON document of ``alledge models --json``."""

from __future__ import annotations

from typing import TypedDict


class HeadDescription(TypedDict):
    """A model with one head, in ``alledge models --json``."""

    trainable: int
    non_trainable: int
    optimizer: int
    total: int
    float32_mb: float
    int8_mb: float
    checkpoint_mb: float


class PaperDescription(TypedDict):
    """How the paper trained a model and what it reported, in ``alledge models --json``."""

    base: str
    epochs: int
    reported_accuracy: float
    test_images: int
    source: str


class ModelDescription(TypedDict):
    """A model in ``alledge models --json``."""

    name: str
    title: str
    input: list[int]
    features: list[int]
    heads: dict[str, HeadDescription]
    paper: PaperDescription


class ModelsDocument(TypedDict):
    """The JSON document of ``alledge models --json``."""

    schema: str
    schema_version: int
    models: list[ModelDescription]
