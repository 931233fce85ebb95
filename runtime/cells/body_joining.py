"""Joins the nuclei of one cell body: a learned verdict on pairs of near nuclei."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .nuclei import Nuclei
from .nucleus_joining import near_pairs
from .nucleus_measures import NucleusMeasures

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

REACH = 1.6  # distance of two nuclei of one body, in erythrocyte diameters
# A logistic regression of the distance in erythrocyte diameters, the logarithms of the smaller and
# the larger radius and the difference of the hues, and its constant. It was fitted on lobes of
# single cells of the Barcelona set (the half for development) and on neighbours of ALL-IDB1.
WEIGHTS = np.array([-8.1, -3.3, -5.8, -33.3])
CONSTANT = 7.2
LEAST = 2.0  # of the sum, for one body
LARGEST = 1.1  # radius of the circle with the area of both nuclei, in erythrocyte diameters


def pair_features(
    measures: NucleusMeasures, candidates: Integers, unit: float
) -> tuple[Integers, Integers, Reals]:
    """Return the pairs of near nuclei and what tells whether they are of one body.

    Parameters
    ----------
    measures : NucleusMeasures
    candidates : (N,) ndarray of int
        The nuclei that may be joined.
    unit : float
        Diameter of an erythrocyte in pixels.

    Returns
    -------
    first, second : (P,) ndarray of int
        Numbers of nuclei.
    features : (P, 4) ndarray of float
        Those of `WEIGHTS`.
    """
    x, y = measures.x[candidates] / unit, measures.y[candidates] / unit
    first, second = near_pairs(x, y, REACH)
    gap = np.hypot(x[first] - x[second], y[first] - y[second])
    first, second = candidates[first], candidates[second]
    radius = np.sort([measures.radius[first], measures.radius[second]], axis=0)
    hues = np.abs(measures.hue[first] - measures.hue[second])
    return first, second, np.stack([gap, *np.log(radius), hues], axis=1)


def join_bodies(
    nuclei: Nuclei, measures: NucleusMeasures, candidates: Integers, unit: float
) -> Nuclei:
    """Return the nuclei, those of one body joined; each is joined to one other at most.

    Parameters
    ----------
    nuclei : Nuclei
    measures : NucleusMeasures
        Of the same nuclei.
    candidates : (N,) ndarray of int
        The nuclei that may be joined.
    unit : float
        Diameter of an erythrocyte in pixels.
    """
    first, second, features = pair_features(measures, candidates, unit)
    score = features @ WEIGHTS + CONSTANT
    score[np.hypot(measures.radius[first], measures.radius[second]) > LARGEST] = -np.inf
    body = np.arange(nuclei.count)
    is_free = np.ones(nuclei.count, bool)
    for k in np.argsort(-score, kind="stable").tolist():
        if score[k] < LEAST:
            break
        if is_free[first[k]] and is_free[second[k]]:
            is_free[[first[k], second[k]]] = False
            body[second[k]] = first[k]
    numbers, number = np.unique(body, return_inverse=True)
    return replace(nuclei, number=number[nuclei.number], count=len(numbers))
