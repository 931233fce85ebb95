"""Sets of images that are connected by pairs."""

from hypothesis import given
from hypothesis import strategies as st

from alledge.train.data.connected_sets import connected_components, connected_sets

COUNT = 8
PAIRS = st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)))


def test_images_connected_by_pairs_form_sets() -> None:
    assert connected_sets(6, [(0, 3), (3, 5), (1, 2)]) == [[0, 3, 5], [1, 2]]
    assert connected_sets(3, []) == []


@given(PAIRS)
def test_components_are_those_of_merging_pair_by_pair(pairs: list[tuple[int, int]]) -> None:
    lowest = list(range(COUNT))
    for a, b in pairs:
        merged = (lowest[a], lowest[b])
        lowest = [min(merged) if value in merged else value for value in lowest]
    assert connected_components(COUNT, pairs).tolist() == lowest
    components = [[i for i in range(COUNT) if lowest[i] == node] for node in sorted(set(lowest))]
    assert connected_sets(COUNT, pairs) == [nodes for nodes in components if len(nodes) > 1]
