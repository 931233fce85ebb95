"""What a study's figures say in words, for both of its pages."""

from __future__ import annotations

from collections.abc import Sequence

from ...runtime.metrics.metrics import Json

KINDS = {"probe": "linear probe", "head": "head", "base": "fine-tuned"}
NOTHING = "–"
INDEPENDENT = (
    "Each model by the row in which most of it was trained. McNemar's test takes images as "
    "independent; those of one group are not, so the p-values may be too small."
)
# What the paper prints beside the accuracies it reports; each of them by its own account.
CONTRADICTIONS = (
    "Its confusion matrices have every test image right, 12 healthy and 10 with leukaemia, for all "
    "six (VGG19's reads 12 and 11, against a support of 10), and it prints “test accuracy 100 %” "
    "for all six.",
    "VGG16's “overall accuracy” line says 98 % and VGG19's 90 %, under per-class figures of 1.00; "
    "for both, validation and test loss are the same to four digits.",
    "Its epochs disagree: ResNet101V2 60 and 50, MobileNetV2 40 and 50, InceptionV3 50, 45 and "
    "“10 of 20” with a training accuracy of 79.77 %; MobileNetV2's paragraph on training repeats "
    "DenseNet201's figures.",
    "Whatever is true: the 95 % Wilson interval of 22 right of 22 is 85–100 %, so 22 images cannot "
    "tell 94 % from 89 %.",
)


def camera_words(section: Json) -> str:
    """Return how the blasts of a camera left out were found, kind by kind."""
    parts = []
    for drawn in (False, True):
        for kind, title in KINDS.items():
            rows = [
                row["summary"]
                for row in section["rows"]
                if row["kind"] == kind and (row["weights"] == "random") == drawn
            ]
            if rows:
                found = _range([row["sensitivity"] for row in rows])
                cleared = _range([row["specificity"] for row in rows])
                areas = _range([row["auc"] for row in rows])
                parts.append(
                    f"{title}{' on random weights' * drawn}: {found} of the blasts found, "
                    f"{cleared} of the healthy cleared, AUC {areas}"
                )
    return "; ".join(parts) + "."


def random_words(section: Json) -> str:
    """Return how far features get that nothing was ever learnt for; nothing where there are none.

    The head on a frozen base of random weights sees light, colour and texture as they fall through
    random filters. Where it keeps up, the split does not measure what pretraining knows.
    """
    heads = [row for row in section["rows"] if row["kind"] == "head"]
    drawn = [row for row in heads if row["weights"] == "random"]
    given = [row for row in heads if row["weights"] != "random"]
    if not drawn:
        return ""

    def right(row: Json) -> float:
        return float(row["summary"]["accuracy"]["value"])

    figures = ", ".join(f"{row['title']} {right(row):.3f}" for row in drawn)
    words = f"A head on a base of random weights, which has learnt nothing, gives {figures}."
    least = min(given, key=right, default=None)
    if least and max(map(right, drawn)) >= right(least):
        words += (
            f" {least['title']}'s pretrained base gives no more, so what this split asks can be "
            "answered from light, colour and texture."
        )
    return words


def shortcut_words(section: Json) -> str:
    """Return what the camera alone scores in a section; nothing where it says nothing."""
    alone, cameras = section["camera_alone"]["summary"], section["both_labels"]
    if not cameras:
        return ""
    words = (
        f"The camera alone, without a look at a cell, gives an accuracy of "
        f"{alone['accuracy']['value']:.3f}"
    )
    shares = [row["both_labels"] for row in section["rows"] if row["both_labels"]]
    if not shares:
        return f"{words}."
    return (
        f"{words}; on the {shares[0]['n']} images of {', '.join(cameras)}, which took both labels, "
        f"the models reach {_range(shares)}."
    )


def verdict_words(section: Json) -> str:
    """Return what a section comes to, the camera first; the paper's split is too small for that."""
    alone = shortcut_words(section) if section["split"] != "paper" else ""
    words = (alone, section["comparison"]["verdict"], random_words(section))
    return " ".join(filter(None, words))


def weights_words(weights: Json) -> str:
    """Return where weights come from, called what they are."""
    if weights["source"] == "file":
        return (
            f"given from {weights['file']} (ImageNet-derived or the user's own), "
            f"sha256 {weights['sha256'][:12]}…"
        )
    return "Keras' ImageNet weights" if weights["source"] == "imagenet" else "random"


def code_words(made: Json) -> str:
    """Return which code it was: version and commit, or that nobody wrote it down."""
    if made["version"] is None:
        return "unknown, from before it was kept"
    commit = f", commit {made['commit']}" if made["commit"] else ""
    return f"alledge {made['version']}{commit}"


def strengths(study: Json, section: Json) -> list[Json]:
    """Return, model by model, what augmentation did to the inner loss of a section's folds.

    Parameters
    ----------
    study : dict
        As `tabulate` returns it.
    section : dict

    Returns
    -------
    list of dict
        `model`; `losses`, the mean over folds of the best trial with each strength, null where a
        fold had none; `chosen`, in how many folds each was the best.
    """
    rows: list[Json] = []
    for model in study["settings"]["models"]:
        folds = [
            row
            for row in study["tuned"]
            if (row["split"], row["model"]) == (section["split"], model)
            and row["fold"] in section["fold_numbers"]
        ]
        names = [f"{strength:g}" for strength in study["settings"]["space"]["strength"]]
        if folds:
            chosen = [f"{row['params']['strength']:g}" for row in folds]
            rows.append(
                {
                    "model": model,
                    "losses": [
                        _mean([row["by_strength"][name] for row in folds]) for name in names
                    ],
                    "chosen": [chosen.count(name) for name in names],
                }
            )
    return rows


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there and len(there) == len(values) else None


def _range(figures: list[Json | None]) -> str:
    values = sorted(value["value"] for value in figures if value)
    if not values:
        return NOTHING
    low, high = f"{values[0]:.2f}", f"{values[-1]:.2f}"
    return low if low == high else f"{low}–{high}"
