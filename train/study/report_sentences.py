"""Sentences about the figures of a study, for both of its pages."""

from __future__ import annotations

from collections.abc import Sequence

from ...runtime.metrics.metrics import Json

KINDS = {"probe": "linear probe", "head": "head", "base": "fine-tuned"}
NOTHING = "–"
INDEPENDENT = (
    "Each model is compared by the row in which the largest part of it was trained. McNemar's test "
    "assumes independent images. Images of one group are not, so the p-values may be too small."
)
# Statements of the paper that contradict its accuracies or one another.
CONTRADICTIONS = (
    "Its confusion matrices have every test image right, 12 healthy and 10 with leukaemia, for all "
    "six models (that of VGG19 has 12 and 11, with a support of 10). It prints “test accuracy "
    "100 %” for all six.",
    "The “overall accuracy” line of VGG16 says 98 % and that of VGG19 90 %, below per-class "
    "figures of 1.00. For both, validation loss and test loss are the same to four digits.",
    "It gives different numbers of epochs: ResNet101V2 60 and 50, MobileNetV2 40 and 50, "
    "InceptionV3 50, 45 and “10 of 20” with a training accuracy of 79.77 %. Its paragraph on "
    "training MobileNetV2 repeats the figures of DenseNet201.",
    "In any case, the 95 % Wilson interval of 22 right out of 22 is 85–100 %, so 22 images cannot "
    "tell 94 % from 89 %.",
)


def sentence(text: str) -> str:
    """Return a text with an upper-case first letter; no other letter is changed."""
    return text[:1].upper() + text[1:]


def camera_words(section: Json) -> str:
    """Return the ranges of the figures on a camera that was left out, kind by kind."""
    parts = []
    for random in (False, True):
        for kind, title in KINDS.items():
            summaries = [
                row["summary"]
                for row in section["rows"]
                if row["kind"] == kind and (row["weights"] == "random") == random
            ]
            if summaries:
                sensitivity, specificity, auc = (
                    figure_range([summary[name] for summary in summaries])
                    for name in ("sensitivity", "specificity", "auc")
                )
                parts.append(
                    f"{title}{' on random weights' * random}: {sensitivity} of the blasts found, "
                    f"{specificity} of the healthy cleared, AUC {auc}"
                )
    return "; ".join(parts) + "."


def random_words(section: Json) -> str:
    """Return the accuracy of heads on bases with random weights; empty where there are none.

    Such a base passes on brightness, colour and texture, filtered at random. Where its head is as
    good as that on a pretrained base, the split does not measure what pretraining learned.
    """
    heads = [row for row in section["rows"] if row["kind"] == "head"]
    random = [row for row in heads if row["weights"] == "random"]
    pretrained = [row for row in heads if row["weights"] != "random"]
    if not random:
        return ""

    def accuracy(row: Json) -> float:
        return float(row["summary"]["accuracy"]["value"])

    figures = ", ".join(f"{row['title']} {accuracy(row):.3f}" for row in random)
    words = f"A head on a base of random weights, which learned nothing, gives {figures}."
    worst = min(pretrained, key=accuracy, default=None)
    if worst and max(map(accuracy, random)) >= accuracy(worst):
        words += (
            f" {worst['title']}'s pretrained base gives no more, so brightness, colour and texture "
            "are enough for this split."
        )
    return words


def shortcut_words(section: Json) -> str:
    """Return the accuracy of the camera alone; empty where all cameras took both labels."""
    camera_alone, cameras = section["camera_alone"]["summary"], section["both_labels"]
    if not cameras:
        return ""
    words = (
        "The camera alone, without a look at a cell, gives an accuracy of "
        f"{camera_alone['accuracy']['value']:.3f}"
    )
    shares = [row["both_labels"] for row in section["rows"] if row["both_labels"]]
    if not shares:
        return f"{words}."
    return (
        f"{words}; on the {shares[0]['n']} images of {', '.join(cameras)}, which took both labels, "
        f"the models reach {figure_range(shares)}."
    )


def verdict_words(section: Json) -> str:
    """Return the conclusions of a section.

    For the paper's split the camera alone is left out: its test part is too small.
    """
    camera = shortcut_words(section) if section["split"] != "paper" else ""
    sentences = (camera, section["comparison"]["verdict"], random_words(section))
    return " ".join(filter(None, sentences))


def weights_words(weights: Json) -> str:
    """Return where the weights of a base come from."""
    if weights["source"] == "file":
        return (
            f"given from {weights['file']} (ImageNet-derived or the user's own), "
            f"sha256 {weights['sha256'][:12]}…"
        )
    return "Keras' ImageNet weights" if weights["source"] == "imagenet" else "random"


def code_words(code: Json) -> str:
    """Return the version and commit of the code that computed results."""
    if code["version"] is None:
        return "unknown, not recorded"
    commit = f", commit {code['commit']}" if code["commit"] else ""
    return f"alledge {code['version']}{commit}"


def strengths(study: Json, section: Json) -> list[Json]:
    """Return how the inner loss of each model depends on the strength of augmentation.

    Parameters
    ----------
    study : dict
        As `tabulate` returns it.
    section : dict

    Returns
    -------
    list of dict
        `model`; `losses`, for each strength the mean over folds of the best trial, None where a
        fold had none; `chosen`, the number of folds in which each strength was the best.
    """
    names = [f"{strength:g}" for strength in study["settings"]["space"]["strength"]]
    rows: list[Json] = []
    for model in study["settings"]["models"]:
        folds = [
            row
            for row in study["tuned"]
            if (row["split"], row["model"]) == (section["split"], model)
            and row["fold"] in section["fold_numbers"]
        ]
        if folds:
            best = [f"{row['params']['strength']:g}" for row in folds]
            losses = [_mean([row["by_strength"][name] for row in folds]) for name in names]
            chosen = [best.count(name) for name in names]
            rows.append({"model": model, "losses": losses, "chosen": chosen})
    return rows


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean; None if a value is missing."""
    numbers = [value for value in values if value is not None]
    return sum(numbers) / len(numbers) if numbers and len(numbers) == len(values) else None


def figure_range(figures: Sequence[Json | None]) -> str:
    """Return the least and the greatest value of some figures; a dash without any."""
    values = sorted(value["value"] for value in figures if value)
    if not values:
        return NOTHING
    low, high = f"{values[0]:.2f}", f"{values[-1]:.2f}"
    return low if low == high else f"{low}–{high}"
