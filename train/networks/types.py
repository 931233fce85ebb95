"""The JSON document of ``alledge models --json``."""

from __future__ import annotations

from typing import TypedDict


class HeadDescription(TypedDict):
    """Parameters and sizes of a model with one head."""

    trainable: int
    non_trainable: int
    optimizer: int
    total: int
    float32_mb: float
    int8_mb: float
    checkpoint_mb: float


class PaperDescription(TypedDict):
    """How the paper trained a model, and the accuracy that it reported."""

    base: str
    epochs: int
    reported_accuracy: float
    test_images: int
    source: str


class ModelDescription(TypedDict):
    """A model with both heads."""

    name: str
    title: str
    input: list[int]
    features: list[int]
    heads: dict[str, HeadDescription]
    paper: PaperDescription


class ModelsDocument(TypedDict):
    """All models."""

    schema: str
    schema_version: int
    models: list[ModelDescription]
