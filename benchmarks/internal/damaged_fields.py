"""Changes to a field of view: colours, size, frame and quality, as programs and people make them.

The guards are measured with them. Every kind is a function of an upright RGB image. A harmless kind
leaves the answer of the model as good as it was, so the guards must not flag it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

BILINEAR, BOX = Image.Resampling.BILINEAR, Image.Resampling.BOX
BLACK, WHITE, GREY = (0, 0, 0), (255, 255, 255), (128, 128, 128)
SEPIA = (
    *(0.393, 0.769, 0.189, 0),
    *(0.349, 0.686, 0.168, 0),
    *(0.272, 0.534, 0.131, 0),
)

Change = Callable[[Image.Image], Image.Image]


def _permuted(image: Image.Image, *, order: str) -> Image.Image:
    planes = dict(zip("rgb", image.split(), strict=True))
    return Image.merge("RGB", [planes[name] for name in order])


def _hue_rotated(image: Image.Image, *, degrees: int) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([(level + degrees * 256 // 360) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _inverted_luminance(image: Image.Image) -> Image.Image:
    luminance, blue, red = image.convert("YCbCr").split()
    return Image.merge("YCbCr", (ImageOps.invert(luminance), blue, red)).convert("RGB")


def _grey(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("RGB")


def _one_channel(image: Image.Image, *, channel: int) -> Image.Image:
    """Return a channel in its own colour; the others are black."""
    planes = [plane.point(lambda _: 0) for plane in image.split()]
    planes[channel] = image.split()[channel]
    return Image.merge("RGB", planes)


def _channel_as_grey(image: Image.Image, *, channel: int) -> Image.Image:
    return Image.merge("RGB", [image.split()[channel]] * 3)


def _power(image: Image.Image, *, exponent: float) -> Image.Image:
    curve = [round(255 * (level / 255) ** exponent) for level in range(256)]
    return image.point(curve * 3)


def _false_colours(image: Image.Image) -> Image.Image:
    """Return the luminance as colours from blue (dark) through green to red (bright)."""
    level = np.arange(256) / 255
    planes = [np.clip(1.5 - np.abs(4 * level - peak), 0, 1) * 255 for peak in (3, 2, 1)]
    tables = np.concatenate(planes).round().astype(int).tolist()
    return _grey(image).point(tables)


def _fluorescent(image: Image.Image, *, colour: tuple[float, float, float]) -> Image.Image:
    """Return glowing cells in one colour on a black background."""
    depth = ImageOps.autocontrast(ImageOps.invert(image.getchannel("G")), cutoff=1)
    return Image.merge("RGB", [depth.point(lambda level, w=w: level * w) for w in colour])


def _cast(image: Image.Image, *, gains: tuple[float, float, float]) -> Image.Image:
    planes = [
        plane.point(lambda level, gain=gain: min(255, level * gain))
        for plane, gain in zip(image.split(), gains, strict=True)
    ]
    return Image.merge("RGB", planes)


def _thumbnail(image: Image.Image, *, width: int, enlarged: bool = False) -> Image.Image:
    height = round(image.height * width / image.width)
    small = image.resize((width, height), BILINEAR, reducing_gap=2.0)
    return small.resize(image.size, Image.Resampling.BICUBIC) if enlarged else small


def _centre(image: Image.Image, *, share: float, enlarged: bool = False) -> Image.Image:
    """Return the centre with this share of width and height."""
    width, height = round(image.width * share), round(image.height * share)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    part = image.crop((left, top, left + width, top + height))
    return part.resize(image.size, BILINEAR) if enlarged else part


def _bars(
    image: Image.Image, *, share: float, colour: tuple[int, int, int], upright: bool, same: bool
) -> Image.Image:
    """Return the field with bars on two sides, each this share of the side, at the same size."""
    width, height = image.size
    wider, taller = (round(width * share), 0) if upright else (0, round(height * share))
    padded = ImageOps.expand(image, (wider, taller), fill=colour)
    return padded.resize(image.size, BILINEAR) if same else padded


def _screenshot(image: Image.Image, *, width: int = 1920, height: int = 1080) -> Image.Image:
    """Return the window of a viewer: title, menu, side bar, and the field in the middle."""
    screen = Image.new("RGB", (width, height), (240, 240, 240))
    pen = ImageDraw.Draw(screen)
    pen.rectangle((0, 0, width, height // 30), fill=(60, 60, 70))
    pen.rectangle((0, height // 30, width // 8, height), fill=(220, 222, 226))
    for row in range(8):
        top = height // 12 + row * height // 12
        pen.text((width // 100, top), f"Im{row:03d}.jpg  2.1 MB", fill=(40, 40, 40))
        pen.rectangle((width // 100, top + 20, width // 12, top + 50), outline=(150, 150, 150))
    field = ImageOps.contain(image, (width * 3 // 4, height * 4 // 5))
    screen.paste(field, (width // 6, height // 10))
    return screen


def _round_field(image: Image.Image) -> Image.Image:
    """Return the field as an eyepiece shows it: a disc on black."""
    mask = Image.new("L", image.size, 0)
    radius, middle = min(image.size) / 2, (image.width / 2, image.height / 2)
    ImageDraw.Draw(mask).circle(middle, radius, fill=255)
    return Image.composite(image, Image.new("RGB", image.size), mask)


def _photograph_of_screen(image: Image.Image) -> Image.Image:
    """Return the field with the stripes of a screen, a glow, blur and a blue cast, turned by 3°."""
    turned = image.rotate(3, Image.Resampling.BICUBIC, fillcolor=(25, 25, 28))
    pixels = np.asarray(turned.filter(ImageFilter.GaussianBlur(image.width / 800)), np.float32)
    rows, columns = np.ogrid[: image.height, : image.width]
    pitch = image.width / 300
    stripes = 1 + 0.12 * np.sin(2 * np.pi * columns / pitch) * np.sin(2 * np.pi * rows / pitch)
    moire = 1 + 0.1 * np.sin(2 * np.pi * (columns + 0.6 * rows) / (image.width / 14))
    glow = np.exp(-((columns / image.width - 0.7) ** 2 + (rows / image.height - 0.2) ** 2) / 0.02)
    shown = pixels * (stripes * moire)[..., None] * (0.85, 0.92, 1.05) + 120 * glow[..., None]
    return Image.fromarray(np.clip(shown, 0, 255).astype(np.uint8))


def _mosaic(image: Image.Image, *, blocks: int) -> Image.Image:
    """Return the field with this number of blocks of one colour in its width."""
    height = round(image.height * blocks / image.width)
    return image.resize((blocks, height), BOX).resize(image.size, Image.Resampling.NEAREST)


def _stitched(image: Image.Image, *, same: bool) -> Image.Image:
    """Return four fields in one: the field, mirrored and turned; `same` size or four times."""
    width, height = image.size
    sheet = Image.new("RGB", (2 * width, 2 * height))
    views = (image, ImageOps.mirror(image), ImageOps.flip(image), image.rotate(180))
    for number, view in enumerate(views):
        sheet.paste(view, (number % 2 * width, number // 2 * height))
    return sheet.resize(image.size, BILINEAR, reducing_gap=2.0) if same else sheet


def _reshaped(image: Image.Image, *, width: float, height: float) -> Image.Image:
    return image.resize((round(image.width * width), round(image.height * height)), BILINEAR)


def _jpeg(image: Image.Image, *, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


def _doubly_exposed(image: Image.Image) -> Image.Image:
    return ImageChops.multiply(image, ImageOps.mirror(image))


def _named(
    change: Callable[..., Image.Image], name: str, option: str, values: Iterable[object]
) -> dict[str, Change]:
    """Return a change for each value of an option; the name contains the value."""
    return {name.format(value): partial(change, **{option: value}) for value in values}


def _with_bars(name: str, colour: tuple[int, int, int]) -> dict[str, Change]:
    bars = partial(_bars, share=0.17, colour=colour)
    return {
        f"{name} bars above and below": partial(bars, upright=False, same=False),
        f"{name} bars left and right": partial(bars, upright=True, same=False),
        f"{name} bars, same size": partial(bars, upright=False, same=True),
        f"{name} bars, narrow": partial(bars, share=0.03, upright=False, same=True),
    }


def _of_channel(channel: int, name: str) -> dict[str, Change]:
    return {
        f"{name} alone": partial(_one_channel, channel=channel),
        f"{name} as grey": partial(_channel_as_grey, channel=channel),
    }


_enlarged_thumbnail, _enlarged_centre = (
    partial(_thumbnail, enlarged=True),
    partial(_centre, enlarged=True),
)
COLOUR: dict[str, Change] = {
    **_named(_permuted, "channels {}", "order", ("rbg", "grb", "gbr", "brg", "bgr")),
    **_named(_hue_rotated, "hue +{}°", "degrees", range(60, 360, 60)),
    "negative": ImageOps.invert,
    "inverted luminance": _inverted_luminance,
    "grey": _grey,
    **_of_channel(0, "red"),
    **_of_channel(1, "green"),
    **_of_channel(2, "blue"),
    "sepia": lambda image: image.convert("RGB", SEPIA),
    "gamma 2.2 twice": partial(_power, exponent=1 / 2.2),
    "linear light": partial(_power, exponent=2.2),
    "posterised, 2 levels": lambda image: ImageOps.posterize(image, 1),
    "posterised, 4 levels": lambda image: ImageOps.posterize(image, 2),
    "saturation × 3": lambda image: ImageEnhance.Color(image).enhance(3),
    "saturation × 0.2": lambda image: ImageEnhance.Color(image).enhance(0.2),
    "solarised": ImageOps.solarize,
    "histogram equalised": ImageOps.equalize,
    "false colours": _false_colours,
    "fluorescence, green": partial(_fluorescent, colour=(0.0, 1.0, 0.1)),
    "fluorescence, grey": partial(_fluorescent, colour=(1.0, 1.0, 1.0)),
    "yellow cast": partial(_cast, gains=(1.0, 0.95, 0.55)),
    "blue cast": partial(_cast, gains=(0.6, 0.8, 1.1)),
}
SIZE: dict[str, Change] = {
    **_named(_thumbnail, "{} px wide", "width", (100, 160, 200, 224, 320, 448, 640)),
    **_named(_enlarged_thumbnail, "{} px wide, enlarged", "width", (100, 160, 224)),
    **_named(_centre, "centre, {:.0%}", "share", (0.25, 0.33, 0.5, 0.66, 0.8)),
    **_named(_enlarged_centre, "centre, {:.0%}, enlarged", "share", (0.25, 0.33, 0.5, 0.66)),
    "four fields": partial(_stitched, same=False),
    "four fields in one": partial(_stitched, same=True),
    "half as tall": partial(_reshaped, width=1.0, height=0.5),
    "three quarters as wide": partial(_reshaped, width=0.75, height=1.0),
}
FRAME: dict[str, Change] = {
    **_with_bars("black", BLACK),
    **_with_bars("white", WHITE),
    **_with_bars("grey", GREY),
    "screenshot of a viewer": _screenshot,
    "round field": _round_field,
    "photograph of a screen": _photograph_of_screen,
}
QUALITY: dict[str, Change] = {
    **_named(_jpeg, "JPEG quality {}", "quality", (3, 8, 15)),
    **_named(_mosaic, "mosaic, {} blocks", "blocks", (32, 64, 112)),
    "out of focus": lambda image: image.filter(ImageFilter.GaussianBlur(image.width / 150)),
    "two fields in one": _doubly_exposed,
}
HARMLESS: dict[str, Change] = {
    "unchanged": Image.Image.copy,
    "mirrored": ImageOps.mirror,
    "turned by 90°": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    **_named(_jpeg, "JPEG quality {}", "quality", (50, 75)),
    "brighter by 3 %": lambda image: ImageEnhance.Brightness(image).enhance(1.03),
    "darker by 3 %": lambda image: ImageEnhance.Brightness(image).enhance(0.97),
    "centre, 98%": partial(_centre, share=0.98),
}
CHANGES: dict[str, dict[str, Change]] = {
    "harmless": HARMLESS,
    "colour": COLOUR,
    "size": SIZE,
    "frame": FRAME,
    "quality": QUALITY,
}
