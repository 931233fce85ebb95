"""The scores of the float model: by Keras for the references, by its float graph for others."""

from pathlib import Path

import numpy as np
import pytest

from alledge.errors import ExportError
from alledge.export.scored_references import scores_of_float_model

REFERENCES = np.zeros((2, 4, 4, 3), np.uint8)
OTHERS = np.ones((3, 4, 4, 3), np.uint8)


class Conversion:
    """Gives the references the score 0.2 by Keras, and 0.2 and a difference by the graph."""

    def __init__(self, difference: float) -> None:
        self.difference = difference

    def float_tflite(self) -> Path:
        return Path("float.tflite")

    def float_scores(self, images: np.ndarray) -> np.ndarray:
        return np.full((len(images), 2), 0.2, np.float32)

    def scores(self, format_name: str, artifact: Path, images: np.ndarray) -> np.ndarray:
        return np.full((len(images), 2), 0.2 + self.difference, np.float32)


def test_other_images_are_scored_by_a_graph_that_gives_the_references_their_scores():
    expected, others = scores_of_float_model(Conversion(1e-5), REFERENCES, OTHERS)
    assert np.allclose(expected, 0.2)
    assert others.shape == (3, 2)
    assert scores_of_float_model(Conversion(1.0), REFERENCES, None)[1] is None


def test_a_graph_with_other_scores_is_refused():
    with pytest.raises(ExportError, match="not the float model"):
        scores_of_float_model(Conversion(0.01), REFERENCES, OTHERS)
