"""Whether two models that answer together are better than the better of them, by McNemar's test.

As on a device, the scores of two models are calibrated and their mean is taken. The temperature of
a fold is fitted to other folds, and for a camera that is left out to the other directions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ...runtime.metrics.decisions import apply_temperature
from ...runtime.metrics.field_metrics import JudgedFields
from ...runtime.metrics.metrics import Json
from ..networks.architectures import architecture
from ..paired_tests import holm, mcnemar
from ..runs.calibration_fitting import fit_temperature
from .field_figures import judged_fields
from .model_comparison import SIGNIFICANCE_LEVEL
from .plan import Plan
from .pooled_sections import FoldScores, right_labels
from .report_sentences import sentence

Members = tuple[str, ...]  # one model, or the two of an ensemble
Rights = Mapping[Members, NDArray[np.bool_]]


def compare_ensembles(
    plan: Plan, split: str, fits: Mapping[str, Sequence[FoldScores]]
) -> dict[str, Json]:
    """Compare the mean of every two models with the better of the two.

    Parameters
    ----------
    plan : Plan
    split : str
    fits : mapping of str to sequence of FoldScores
        Of each model, one for each fold of the split, in their order.

    Returns
    -------
    dict of str to dict
        By `Section.key`: `examples` (cells or images) and `fields`, each a list of pairs, and a
        `verdict` in words. `fields` is None in a study of whole fields, and where no rule of
        fields can be fitted. Empty with fewer than two models.
    """
    if len(fits) < 2:
        return {}
    members = {model: calibrated(plan, split, own) for model, own in fits.items()}
    answers: dict[Members, list[FoldScores]] = {(model,): own for model, own in members.items()}
    answers |= {(a, b): _mean(members[a], members[b]) for a, b in combinations(members, 2)}
    fields = {}
    if plan.options.cells is not None:
        fields = {name: judged_fields(plan, split, own) for name, own in answers.items()}
    folds = plan.splits[split].folds
    places = defaultdict(list)
    for at, fold in enumerate(folds):
        places[fold.camera or split].append(at)
    compared = {}
    for key, inside in places.items():
        rights = {
            name: right_labels(plan, [own[at] for at in inside]) for name, own in answers.items()
        }
        examples = _pairs(rights)
        of_fields = _pairs_of_fields([(name, own.get(key)) for name, own in fields.items()])
        verdict = _verdict(examples, of_fields, "cells" if plan.options.cells else "images")
        compared[key] = {"examples": examples, "fields": of_fields, "verdict": verdict}
    return compared


def calibrated(plan: Plan, split: str, fits: Sequence[FoldScores]) -> list[FoldScores]:
    """Return the scores of each fold with the temperature that was fitted to other folds.

    Scores of groups that the fold tests are not used. Without other folds, the scores stay.
    """
    folds, groups = plan.splits[split].folds, np.asarray(plan.splits[split].groups)
    images = [np.array(fit["images"], dtype=np.int64) for fit in fits]
    scores = [np.array(fit["scores"], dtype=float) for fit in fits]
    result: list[FoldScores] = []
    for at, fold in enumerate(folds):
        others = [
            number
            for number, other in enumerate(folds)
            if number != at and (not fold.camera or other.camera != fold.camera)
        ]
        own = scores[at]
        if others:
            rows = np.concatenate([images[number] for number in others])
            used = plan.truth_known[rows] & ~np.isin(groups[rows], groups[images[at]])
            if used.any():
                known = np.concatenate([scores[number] for number in others])[used]
                own = apply_temperature(
                    own, fit_temperature(plan.examples.truth[rows[used]], known)
                )
        result.append({"images": images[at].tolist(), "scores": own.tolist()})
    return result


def _verdict(examples: Sequence[Json], fields: Sequence[Json] | None, what: str) -> str:
    """Return whether an ensemble of two models pays, in sentences."""
    parts = [_words(examples, what)]
    if fields:
        parts.append(_words(fields, "fields"))
    return "The mean of two models beside the better of the two. " + " ".join(parts)


def _words(pairs: Sequence[Json], what: str) -> str:
    differ = [pair for pair in pairs if pair["p_holm"] < SIGNIFICANCE_LEVEL]
    better = [pair for pair in differ if pair["only_ensemble_right"] > pair["only_better_right"]]
    named = "; ".join(
        f"{architecture(pair['a']).title} with {architecture(pair['b']).title}, "
        f"{pair['ensemble_right']} of {pair['of']} right against {pair['better_right']}"
        for pair in better
    )
    return (
        f"{sentence(what)}: better in {len(better)} of {len(pairs)} pairs"
        f"{f' ({named})' if named else ''}, worse in {len(differ) - len(better)}."
    )


def _pairs(rights: Rights) -> list[Json]:
    rows: list[Json] = []
    for name, ensemble in rights.items():
        if len(name) == 1:
            continue
        better = max(name, key=lambda model: int(rights[model,].sum()))
        own = rights[better,]
        rows.append(
            {
                "a": name[0],
                "b": name[1],
                "better": better,
                "of": len(own),
                "better_right": int(own.sum()),
                "ensemble_right": int(ensemble.sum()),
                "only_ensemble_right": int((ensemble & ~own).sum()),
                "only_better_right": int((own & ~ensemble).sum()),
                "p": mcnemar(ensemble, own),
            }
        )
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = p
    return rows


def _pairs_of_fields(judged: Sequence[tuple[Members, JudgedFields | None]]) -> list[Json] | None:
    """Return the pairs of fields; None if there are no fields, or some answers have no rule."""
    rights = {name: _right_fields(own) for name, own in judged if own is not None}
    return _pairs(rights) if rights and len(rights) == len(judged) else None


def _right_fields(judged: JudgedFields) -> NDArray[np.bool_]:
    """A field without a leucocyte is not called positive."""
    called = np.nan_to_num(judged.probability, nan=-1.0) >= judged.threshold
    return np.asarray(called == judged.positive)


def _mean(a: Sequence[FoldScores], b: Sequence[FoldScores]) -> list[FoldScores]:
    return [
        {
            "images": one["images"],
            "scores": ((np.array(one["scores"]) + np.array(other["scores"])) / 2).tolist(),
        }
        for one, other in zip(a, b, strict=True)
    ]
