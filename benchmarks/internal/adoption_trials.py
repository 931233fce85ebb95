"""Measures adoption on the examples of an adopted site: shuffled labels, and other fields.

python -m alledge.benchmarks.internal.adoption_trials ROOM --bundle B [--home DIR]
"""

from __future__ import annotations

import argparse

import numpy as np

from ...runtime.bundle.bundle import Bundle
from ...runtime.metrics.decisions import is_positive
from ...runtime.metrics.intervals import auc, wilson
from ...runtime.sites.adoption import shipped_head
from ...runtime.sites.judgement import judge_refit
from ...runtime.sites.profile import EXAMPLES, open_site, version_folder
from ...runtime.sites.refit import SiteHead, fit_head
from ...runtime.sites.solver import Examples

SIZES, REPEATS, MOST_OF_A_GROUP = (25, 50, 100, 200), 8, 6


def main() -> None:
    """Print how often shuffled labels are adopted, and the AUC on fields that were left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site")
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--home")
    parser.add_argument("--shuffles", type=int, default=200)
    parser.add_argument("--cells", type=int, default=50, help="of a shuffled trial")
    arguments = parser.parse_args()
    profile, bundle = open_site(arguments.site, arguments.home), Bundle.open(arguments.bundle)
    if profile.backend is None:
        raise SystemExit("adopt the site first")
    with np.load(version_folder(profile.folder, profile.version) / EXAMPLES) as archive:
        examples = Examples(archive["features"], archive["truth"], archive["groups"])
    shipped = shipped_head(bundle, profile.backend)
    shuffles(examples, shipped, bundle, arguments.shuffles, arguments.cells)
    for size in SIZES:
        left_out(examples, shipped, bundle, size)


def shuffles(examples: Examples, shipped: SiteHead, bundle: Bundle, count: int, cells: int) -> None:
    """Print how often a layer that was fitted to shuffled labels is adopted."""
    adopted = 0
    for seed in range(count):
        random = np.random.default_rng(seed)
        rows = random.permutation(len(examples))[:cells]
        truth = random.permutation(examples.truth[rows])
        part = Examples(examples.features[rows], truth, examples.groups[rows])
        adopted += judge_refit(part, shipped, bundle.labels, bundle.positive).adopted
    low, high = wilson(adopted, count)
    print(f"shuffled labels: {adopted} of {count} adopted ({low:.3f}-{high:.3f})")


def left_out(examples: Examples, shipped: SiteHead, bundle: Bundle, size: int) -> None:
    """Print the AUC on the groups that took no part, before and after adopting some examples."""
    sides, rows = is_positive(bundle.labels, bundle.positive), []
    for seed in range(REPEATS):
        random, chosen = np.random.default_rng(seed), list[int]()
        for name in random.permutation(np.unique(examples.groups)):
            own = random.permutation(np.flatnonzero(examples.groups == name))
            chosen += own[: max(MOST_OF_A_GROUP, size // 20)].tolist()
            if len(chosen) >= size:
                break
        picked = np.array(chosen[:size])
        rest = ~np.isin(examples.groups, examples.groups[picked])
        truth = sides[examples.truth[rest]]
        if len({*truth.tolist()}) < 2 or len({*sides[examples.truth[picked]].tolist()}) < 2:
            continue
        part = Examples(examples.features[picked], examples.truth[picked], examples.groups[picked])
        head = fit_head(part, shipped, bundle.labels, bundle.positive)
        areas = [
            auc(truth, row.scores(examples.features[rest])[:, sides].sum(axis=1))
            for row in (shipped, head)
        ]
        rows.append(areas)
    if rows:
        before, after = np.mean(rows, axis=0)
        print(
            f"{size} cells: AUC {before:.3f} -> {after:.3f} on left-out fields, {len(rows)} trials"
        )


if __name__ == "__main__":
    main()
