"""``--overlay``: a picture of an image with the regions that carried the decision.

Found by occlusion: a soft patch of empty background is laid over one place after the other, and
what the label loses by it is what that place carried. Where many places carry the answer, so that
hiding one changes nothing, each is shown alone instead. That works for every head, format and
backend, needs no gradients, and costs `PLACES` predictions an image, or twice as many.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ...errors import ImageError, UsageError
from ..imaging import load_picture
from ..records import Result, printable
from ..types import RGB, ImageSource

STEPS = 14  # places a side
PLACES = STEPS * STEPS
PATCH_SHARE = 0.20  # width of a patch at half its depth, over the width of the image
LONGEST_PIXELS, LEAST_PIXELS = 1280, 480
BACKGROUND_PERCENTILE = 85  # of each channel: the light around the cells
LEAST_LOSS = 0.05  # log-odds: below this, no place carried anything
SHARE_OF_PEAK = 0.5  # where the line is drawn
LINE, PALE = (255, 120, 0), 0.55
NAME_CHARACTERS = 100
INK = {"ok": (25, 90, 140), "review": (190, 110, 0)}
DISCLAIMER = "research software, not a medical device"

Map = NDArray[np.float32]


class Scorer(Protocol):
    """What can be asked for calibrated scores: a `Classifier`."""

    def scores(self, rgb: RGB) -> NDArray[np.float64]:
        """Return the calibrated scores of an image, (C,)."""
        ...


def evidence(scorer: Scorer, rgb: RGB, index: int, *, alone: bool = False) -> Map:
    """Return how much of a label's log-odds each place of an image carries.

    Parameters
    ----------
    scorer : Classifier
        Asked `PLACES` + 1 times.
    rgb : (S, S, 3) ndarray of uint8
    index : int
        Of the label.
    alone : bool
        Show each place on empty background, and count what is won, instead of hiding it.

    Returns
    -------
    (S, S) ndarray of float32
        Natural logarithm of the odds lost where it is hidden; negative where hiding helps.

    References
    ----------
    M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
    section 4.2.
    """
    size = len(rgb)
    empty = np.percentile(rgb.reshape(-1, 3), BACKGROUND_PERCENTILE, axis=0).astype(np.float32)
    pixels, cover = rgb.astype(np.float32), np.broadcast_to(empty, rgb.shape)
    start, other = (cover, pixels) if alone else (pixels, cover)
    whole = _log_odds(scorer.scores(np.rint(start).astype(np.uint8)), index)
    if alone:  # only what speaks for the label counts
        whole = max(whole, 0.0)
    centres = (np.arange(STEPS) + 0.5) * size / STEPS
    spread = PATCH_SHARE * size / 2.355  # a Gaussian's full width at half its height
    bells = np.exp(-0.5 * ((np.arange(size) - centres[:, None]) / spread) ** 2).astype(np.float32)
    carried, covered = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    for down in bells:
        for across in bells:
            patch = np.outer(down, across)
            changed = start + patch[..., None] * (other - start)
            loss = whole - _log_odds(scorer.scores(np.rint(changed).astype(np.uint8)), index)
            carried += np.float32(min(loss, 0.0) if alone else loss) * patch
            covered += patch
    return carried / (-covered if alone else covered)


def _log_odds(scores: NDArray[np.float64], index: int) -> float:
    p = float(np.clip(scores[index], 1e-7, 1 - 1e-7))
    return float(np.log(p / (1 - p)))


class Overlays:
    """A folder of overlays.

    Parameters
    ----------
    folder : str or Path
        Made where it is missing.
    geometry : {"squash", "crop"}
        Of the bundle's image path.

    Raises
    ------
    UsageError
        If it cannot be made.
    """

    def __init__(self, folder: str | Path, geometry: str = "squash") -> None:
        self.folder, self._geometry = Path(folder), geometry
        self._names: set[str] = set()
        self._lock = threading.Lock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"no overlays can be written to {folder}: {error}", fix="--overlay FOLDER"
            ) from None

    def write(self, scorer: Scorer, source: ImageSource, rgb: RGB, result: Result) -> Path:
        """Write the overlay of one image.

        Parameters
        ----------
        scorer : Classifier
        source : str, Path, PIL.Image.Image or ndarray
            What was answered.
        rgb : (S, S, 3) ndarray of uint8
            As the model saw it.
        result : Result

        Returns
        -------
        Path
            ``<name of the image>.jpg`` in the folder, numbered where that is taken in this run.

        Raises
        ------
        UsageError
            If the file cannot be written.
        """
        if result.scores is None:
            raise ValueError("an error record has no overlay")
        index = list(result.scores).index(str(result.label))
        found = evidence(scorer, rgb, index)
        if alone := float(found.max()) < LEAST_LOSS:
            found = evidence(scorer, rgb, index, alone=True)
        picture = draw(source, found, result, self._geometry, alone=alone)
        path = self.folder / self._name(result.image)
        try:
            picture.save(path, "JPEG", quality=92)
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written: {error.strerror or error}",
                fix="--overlay FOLDER, on a disk with room",
            ) from None
        return path

    def _name(self, image: str | None) -> str:
        stem = Path(image).stem if image else "image"
        safe = "".join(char if char.isalnum() or char in " ._-()" else "_" for char in stem)
        safe = safe[:NAME_CHARACTERS].strip(" .") or "image"
        with self._lock:
            name, number = safe, 1
            while name.casefold() in self._names:
                number += 1
                name = f"{safe}-{number}"
            self._names.add(name.casefold())
        return f"{name}.jpg"


def draw(
    source: ImageSource,
    found: Map,
    result: Result,
    geometry: str = "squash",
    *,
    alone: bool = False,
) -> Image.Image:
    """Return an image with the regions that carried its label in full colour, the rest paler.

    Parameters
    ----------
    source : str, Path, PIL.Image.Image or ndarray
    found : (S, S) ndarray of float32
        As `evidence` returns it.
    result : Result
    geometry : {"squash", "crop"}
        Of the bundle's image path: which part of the image the model saw.
    alone : bool
        As it was given to `evidence`.

    Returns
    -------
    PIL.Image.Image, RGB

    Raises
    ------
    UsageError
        If the file was taken away since it was answered.
    """
    try:
        picture = load_picture(source, LONGEST_PIXELS)
    except ImageError as error:
        raise UsageError(f"no overlay can be drawn: {error.what}") from None
    if max(picture.size) < LEAST_PIXELS:
        scale = LEAST_PIXELS / max(picture.size)
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    peak = float(found.max())
    if peak >= LEAST_LOSS:
        heat = _spread(np.clip(found / peak, 0, 1), picture.size, geometry)
        picture = _highlight(picture, heat)
    how = "no single region carries the answer"
    if peak >= LEAST_LOSS:
        how = f"outlined: what {'alone would carry the answer' if alone else 'the answer rests on'}"
    return _with_caption(picture, result, how)


def _spread(heat: Map, size: tuple[int, int], geometry: str) -> Map:
    """Return the map at the size of the picture, laid over what the model saw of it."""
    width, height = size
    side = min(size)
    shape = size if geometry == "squash" else (side, side)
    inner = np.asarray(Image.fromarray(heat).resize(shape, Image.Resampling.BICUBIC))
    laid = np.zeros((height, width), np.float32)
    left, top = (width - shape[0]) // 2, (height - shape[1]) // 2
    laid[top : top + shape[1], left : left + shape[0]] = inner
    return np.clip(laid, 0, 1)


def _highlight(picture: Image.Image, heat: Map) -> Image.Image:
    pixels = np.asarray(picture, dtype=np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pale = 255 - (255 - grey) * PALE
    # half of the peak is already in full colour: cells are seen, not a cloud
    colour = np.clip(heat / SHARE_OF_PEAK, 0, 1)[..., None] ** 2
    mixed = pixels * colour + pale * (1 - colour)
    inside = Image.fromarray(((heat >= SHARE_OF_PEAK) * 255).astype(np.uint8))
    width = 2 * round(max(picture.size) / 640) + 1
    rim = np.asarray(inside.filter(ImageFilter.MaxFilter(width))) != np.asarray(inside)
    mixed[rim] = LINE
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def _with_caption(picture: Image.Image, result: Result, how: str) -> Image.Image:
    unit = max(picture.width, LEAST_PIXELS) // 40
    whole = Image.new("RGB", (picture.width, picture.height + 5 * unit), "white")
    whole.paste(picture, (0, 0))
    pen, top = ImageDraw.Draw(whole), picture.height + unit // 2
    large, small = _font(round(unit * 1.35)), _font(round(unit * 0.72))
    colour = INK[result.status]
    said = f"{result.label}  {result.probability_of_label:.1%}"
    pen.text((unit, top), said, fill=colour, font=large)
    start = unit * 2 + round(pen.textlength(said, font=large))
    right = whole.width - unit
    if right - start > 4 * unit:
        line = top + unit
        pen.rectangle((start, line - unit // 4, right, line + unit // 4), fill=(228, 228, 228))
        end = start + (right - start) * float(result.probability_of_label or 0)
        pen.rectangle((start, line - unit // 4, end, line + unit // 4), fill=colour)
    flags = f"review: {', '.join(result.flags)}" if result.flags else None
    name = printable(Path(result.image).name) if result.image else None
    rows = [(flags, name, how), (result.bundle, result.digest[:19], DISCLAIMER)]
    for number, row in enumerate(rows):
        text = "  ·  ".join(part for part in row if part)
        fill = colour if number == 0 and flags else (90, 90, 90)
        pen.text((unit, top + (2.1 + number) * unit), text, fill=fill, font=small)
    return whole


def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.load_default(pixels)
    except ImportError:  # a Pillow built without FreeType has one size
        return ImageFont.load_default()
