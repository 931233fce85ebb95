"""Counts the fields that are answered without a flag, before and after commissioning.

python -m alledge.benchmarks.internal.adoption.commissioned_fields BUNDLE FOLDER [--groups FILE.csv]
    [--not-commissioned]

Each camera of the folder is a microscope. It is commissioned with one half of its fields, and the
fields of the other half are answered; then the halves change places. Fields of one group of the
file are in the same half. ``--not-commissioned`` answers all fields and commissions nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from ....runtime.bundle.bundle import Bundle
from ....runtime.classifier import Classifier
from ....runtime.data.inputs import find_images
from ....runtime.imaging import read_header
from ....runtime.metrics.intervals import wilson
from ....runtime.records import Result
from ....runtime.sites.commissioning import commission_site
from ....runtime.sites.profile import SiteProfile, open_site
from ....train.data.examples import read_rows

SITE = "microscope"


def main() -> None:
    """Print a Markdown table with two rows for each camera."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--groups", type=Path, help="CSV file with the columns image,group")
    parser.add_argument("--not-commissioned", action="store_true")
    arguments = parser.parse_args()
    bundle, groups = Bundle.open(arguments.bundle), read_groups(arguments.groups)
    print("| camera | commissioned with the other half | fields | ok (95 % interval) | flags |")
    print("|---|---|---:|---|---|")
    for camera, images in sorted(by_camera(arguments.folder).items()):
        print(table_row(camera, "no", classified(bundle, images, None)), flush=True)
        if not arguments.not_commissioned:
            results, verdicts = [], []
            parts = halves(images, groups)
            for known, asked in (parts, parts[::-1]):
                with tempfile.TemporaryDirectory() as home:
                    verdicts.append(commissioned(bundle, known, Path(home)))
                    results += classified(bundle, asked, open_site(SITE, home))
            print(table_row(camera, "; ".join(verdicts), results), flush=True)


def read_groups(path: Path | None) -> dict[str, str]:
    """Return the group of images by the name of their file."""
    rows = [] if path is None else read_rows(path, ("image", "group"))
    return {Path(row["image"]).name: row["group"] for row in rows}


def by_camera(folder: Path) -> dict[str, list[str]]:
    """Return the images of a folder by their camera."""
    cameras = defaultdict(list)
    for image in find_images([folder]):
        cameras[read_header(image).camera].append(image)
    return cameras


def halves(images: Sequence[str], groups: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return every second group of the images, and the others."""
    of_images = [groups.get(Path(image).name, image) for image in images]
    place = {group: number for number, group in enumerate(dict.fromkeys(of_images))}
    parts: tuple[list[str], list[str]] = ([], [])
    for image, group in zip(images, of_images, strict=True):
        parts[place[group] % 2].append(image)
    return parts


def commissioned(bundle: Bundle, images: Sequence[str], home: Path) -> str:
    """Commission a site with some images, and return the verdict."""
    fields = home / "fields"
    fields.mkdir()
    for number, image in enumerate(images):
        (fields / f"{number:04}{Path(image).suffix}").write_bytes(Path(image).read_bytes())
    return commission_site(SITE, fields, bundle=bundle, home=home)["verdict"]


def classified(bundle: Bundle, images: Sequence[str], site: SiteProfile | None) -> list[Result]:
    """Return the results of images, with the profile of a site or without one."""
    with Classifier.load(bundle, mode="throughput", site=site) as classifier:
        return list(classifier.classify(list(images)))


def table_row(camera: str, commissioned_with: str, results: Sequence[Result]) -> str:
    """Return a row of the table."""
    ok = sum(result.status == "ok" for result in results)
    low, high = wilson(ok, len(results))
    flags = Counter(flag for result in results for flag in result.flags)
    named = ", ".join(f"{count} {flag}" for flag, count in flags.most_common())
    return (
        f"| {camera} | {commissioned_with} | {len(results)} | "
        f"{ok} ({ok / len(results):.1%}, {low:.1%} to {high:.1%}) | {named} |"
    )


if __name__ == "__main__":
    main()
