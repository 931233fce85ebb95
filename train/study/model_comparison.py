"""Whether models differ at all: McNemar between every two, corrected, and said in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ...runtime.metrics.metrics import Json
from ..networks.architectures import architecture
from ..paired_tests import holm, mcnemar
from .plan import BASE

LEVEL = 0.05


def compare(right: Mapping[str, NDArray[np.bool_]], kinds: Mapping[str, str] | None = None) -> Json:
    """Compare models on the same images.

    Parameters
    ----------
    right : mapping of str to (N,) ndarray of bool
        Model -> whether it had each image right.
    kinds : mapping of str to str, optional
        Model -> what was trained in the row it is compared by; said where they are not the same.

    Returns
    -------
    dict
        Every pair with its exact p-value, as it is and after Holm's correction; the smallest
        one-sided disagreement that could have told two models apart; the verdict in words.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979),
    65-70.
    """
    pairs: list[Json] = []
    for a, b in combinations(right, 2):
        only_a = int((right[a] & ~right[b]).sum())
        only_b = int((~right[a] & right[b]).sum())
        p = mcnemar(right[a], right[b])
        pairs.append({"a": a, "b": b, "only_a_right": only_a, "only_b_right": only_b, "p": p})
    for pair, p in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
        pair["p_holm"] = p
    images = len(next(iter(right.values()))) if right else 0
    needed = needed_disagreement(len(pairs))
    return {
        "pairs": pairs,
        "needed_disagreement": needed,
        "differ": [[p["a"], p["b"]] for p in pairs if p["p_holm"] < LEVEL],
        "verdict": f"{_words(right, pairs, images, needed)} {_unequal(kinds or {})}".strip(),
    }


def needed_disagreement(pairs: int) -> int:
    """Return the fewest images that one model alone must have right to be told from another."""
    images = 1
    while pairs and pairs * 2 * 0.5**images >= LEVEL:
        images += 1
    return images


def _words(
    right: Mapping[str, NDArray[np.bool_]], pairs: list[Json], images: int, needed: int
) -> str:
    if not right:
        return "No model is finished here yet: nothing to compare."
    if len(right) < 2:
        return "Only one model is finished here: nothing to compare."
    apart = [pair for pair in pairs if pair["p_holm"] < LEVEL]
    share = f"{len(apart)} of {len(pairs)}"
    if not apart:
        best = max(right, key=lambda model: int(right[model].sum()))
        worst = min(right, key=lambda model: int(right[model].sum()))
        gap = int(right[best].sum()) - int(right[worst].sum())
        return (
            f"On these {images} images the {len(right)} models cannot be told apart "
            f"(McNemar between every two, Holm's correction: {share} pairs differ). "
            f"The most images any has right over another is {gap}; a pair that disagrees in one "
            f"direction only would need {needed}. A ranking of the models by accuracy is not "
            "supported by these images."
        )
    named = [f"{_better(pair)} (p = {pair['p_holm']:.2g})" for pair in apart]
    rest = len(pairs) - len(apart)
    return (
        f"On these {images} images {share} pairs of models differ after Holm's correction: "
        f"{'; '.join(named)}. " + (f"The other {rest} pairs cannot be told apart." if rest else "")
    ).strip()


def _unequal(kinds: Mapping[str, str]) -> str:
    """Return which models are compared by a fine-tuned base, where others are by their head."""
    tuned = [architecture(model).title for model, kind in kinds.items() if kind == BASE]
    if not tuned or len(tuned) == len(kinds):
        return ""
    return (
        f"{' and '.join(tuned)} {'is' if len(tuned) == 1 else 'are'} compared as fine-tuned, "
        "the others by a head on their frozen base."
    )


def _better(pair: Json) -> str:
    a, b = architecture(pair["a"]).title, architecture(pair["b"]).title
    return f"{a} before {b}" if pair["only_a_right"] > pair["only_b_right"] else f"{b} before {a}"
