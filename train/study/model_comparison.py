"""Tests whether models differ: McNemar between every two, corrected, with a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ...runtime.metrics.metrics import Json
from ..networks.architectures import architecture
from ..paired_tests import holm, mcnemar
from .plan import BASE

SIGNIFICANCE_LEVEL = 0.05


def compare(
    correct: Mapping[str, NDArray[np.bool_]],
    kinds: Mapping[str, str] | None = None,
    *,
    examples: str = "images",
) -> Json:
    """Compare models on the same images.

    Parameters
    ----------
    correct : mapping of str to (N,) ndarray of bool
        Whether each model gave the true label of each image.
    kinds : mapping of str to str, optional
        What was trained of each model (``"head"`` or ``"base"``). The verdict mentions it if the
        kinds differ.
    examples : str
        What the verdict calls the images.

    Returns
    -------
    dict
        `pairs` with their exact p-values before and after Holm's correction;
        `needed_disagreement`; the pairs that `differ`; and a `verdict` in words.

    Examples
    --------
    >>> compare({"vgg16": np.ones(40, bool), "vgg19": np.arange(40) > 9})["differ"]
    [['vgg16', 'vgg19']]
    """
    pairs: list[Json] = []
    for a, b in combinations(correct, 2):
        pairs.append(
            {
                "a": a,
                "b": b,
                "only_a_right": int((correct[a] & ~correct[b]).sum()),
                "only_b_right": int((~correct[a] & correct[b]).sum()),
                "p": mcnemar(correct[a], correct[b]),
            }
        )
    for pair, p in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
        pair["p_holm"] = p
    return {
        "pairs": pairs,
        "needed_disagreement": needed_disagreement(len(pairs)),
        "differ": [[pair["a"], pair["b"]] for pair in pairs if _is_significant(pair)],
        "verdict": f"{_verdict(correct, pairs, examples)} {_different_kinds(kinds or {})}".strip(),
    }


def _is_significant(pair: Json) -> bool:
    return bool(pair["p_holm"] < SIGNIFICANCE_LEVEL)


def needed_disagreement(pairs: int) -> int:
    """Return how many images one model alone must have right to differ from another.

    Parameters
    ----------
    pairs : int
        Number of pairs that are tested. The other model has no image right alone.

    Returns
    -------
    int
        The smallest number that is significant after Holm's correction.
    """
    images = 1
    while pairs and pairs * 2 * 0.5**images >= SIGNIFICANCE_LEVEL:
        images += 1
    return images


def _verdict(correct: Mapping[str, NDArray[np.bool_]], pairs: list[Json], examples: str) -> str:
    if not correct:
        return "No model is finished here yet: nothing to compare."
    if len(correct) < 2:
        return "Only one model is finished here: nothing to compare."
    images = len(next(iter(correct.values())))
    different = [pair for pair in pairs if _is_significant(pair)]
    share = f"{len(different)} of {len(pairs)}"
    if not different:
        right = [int(mask.sum()) for mask in correct.values()]
        needed = needed_disagreement(len(pairs))
        return (
            f"On these {images} {examples} the {len(correct)} models cannot be told apart "
            f"(McNemar between every two, Holm's correction: {share} pairs differ). "
            f"The best model has {max(right) - min(right)} more {examples} right than the worst; a "
            f"pair that disagrees in one direction only would need {needed}. "
            f"A ranking of the models by accuracy is not supported by these {examples}."
        )
    named = [f"{_better_first(pair)} (p = {pair['p_holm']:.2g})" for pair in different]
    rest = len(pairs) - len(different)
    return (
        f"On these {images} {examples} {share} pairs of models differ after Holm's correction: "
        f"{'; '.join(named)}. " + (f"The other {rest} pairs cannot be told apart." if rest else "")
    ).strip()


def _different_kinds(kinds: Mapping[str, str]) -> str:
    """Return which models were fine-tuned, if others are compared by their head."""
    tuned = [architecture(model).title for model, kind in kinds.items() if kind == BASE]
    if not tuned or len(tuned) == len(kinds):
        return ""
    return (
        f"{' and '.join(tuned)} {'is' if len(tuned) == 1 else 'are'} compared as fine-tuned, "
        "the others by a head on their frozen base."
    )


def _better_first(pair: Json) -> str:
    a, b = architecture(pair["a"]).title, architecture(pair["b"]).title
    return f"{a} before {b}" if pair["only_a_right"] > pair["only_b_right"] else f"{b} before {a}"
