"""The statistical tests that compare classifiers agree with values computed by hand."""

import pytest

from alledge.train.paired_tests import holm, mcnemar


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"), [(0, 0, 1.0), (6, 0, 0.03125), (5, 5, 1.0), (1, 9, 0.021484375)]
)
def test_mcnemar_is_the_exact_binomial(only_a: int, only_b: int, p: float) -> None:
    a = [True] * only_a + [False] * only_b + [True] * 4
    b = [False] * only_a + [True] * only_b + [True] * 4
    assert mcnemar(a, b) == pytest.approx(p)
    assert mcnemar(b, a) == pytest.approx(p)


def test_holm_multiplies_by_the_number_of_tests_left_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
