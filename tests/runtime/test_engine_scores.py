"""The cells of a field are judged in order; only of many are some in work at once."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from alledge.runtime.engine_scores import CROPS_PER_WORKER, Outputs, outputs_of_crops
from alledge.runtime.types import RGB


@pytest.mark.parametrize("count", [0, 1, CROPS_PER_WORKER, 5 * CROPS_PER_WORKER])
def test_few_cells_need_no_second_request_of_the_engine(count: int) -> None:
    threads: set[int] = set()

    def number_of(crop: RGB) -> Outputs:
        threads.add(threading.get_ident())
        return Outputs(crop[0, 0].astype(float))

    crops = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    outputs = outputs_of_crops(number_of, crops, workers=4)
    assert [row.scores[0] for row in outputs] == list(range(count))
    if count <= CROPS_PER_WORKER:
        assert threads <= {threading.get_ident()}
    else:
        assert threading.get_ident() not in threads
