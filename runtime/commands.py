"""The commands of the device; imports click, and the rest when a command runs."""

from __future__ import annotations

import click


@click.command(short_help="Tell blasts from healthy blood in images.")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--bundle", metavar="B", help="Bundle to use.  [default: the only one, see below]")
@click.option(
    "--backend",
    default="auto",
    show_default=True,
    metavar="auto|tflite|onnx|openvino",
    help="Engine to run.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads to use.  [default: physical cores within the quota]",
)
@click.option(
    "--mode",
    type=click.Choice(["latency", "throughput"]),
    help="All threads on one image, or an image a thread.  [default: throughput for several]",
)
@click.option(
    "--overlay",
    type=click.Path(),
    metavar="DIR",
    help="Write a picture an image: which regions carried the answer. Costs 197 or 394 "
    "predictions each.",
)
@click.option("--recursive", is_flag=True, help="Look into the folders of a folder too.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Time for reading an image or one prediction; an image that takes longer is an error.",
)
@click.option("--json", "style", flag_value="json", help="Print a JSON object a line.")
@click.option("--csv", "style", flag_value="csv", help="Print CSV.")
def classify(
    images: tuple[str, ...],
    bundle: str | None,
    backend: str,
    threads: int | None,
    mode: str | None,
    overlay: str | None,
    recursive: bool,
    timeout_s: float,
    style: str | None,
) -> None:
    """Tell blasts from healthy blood in images.

    IMAGE is a file, a folder (its image files, told by their content) or a glob. Without
    --bundle: $ALLEDGE_BUNDLE, else the one installed on this device, else the only one under
    bundles/. A bad file gives an error record, the rest are answered, and the exit code is 1.

    \b
    Example:
      alledge classify slides/ --bundle bundles/mobilenetv2-int8
      alledge classify -- "-odd name.jpg"
    """
    from .backends import choose_backend
    from .bundle.bundle import Bundle, find_bundle

    opened = Bundle.open(find_bundle(bundle))
    chosen = choose_backend(list(opened.formats), backend)
    if opened.is_large(files := opened.formats[chosen].files):
        opened.begin_check(files)  # while numpy and Pillow load
    from .batch import classify_to

    failed = classify_to(
        click.echo,
        images,
        bundle=opened,
        backend=chosen,
        threads=threads,
        mode=mode,
        overlay=overlay,
        recursive=recursive,
        style=style or "text",
        timeout_s=timeout_s,
    )
    if failed:
        click.get_current_context().exit(1)


@click.command(short_help="Prove that a bundle computes here what it did there.")
@click.argument("bundle", metavar="BUNDLE", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify(bundle: str, as_json: bool) -> None:
    """Prove that a bundle computes here what it did there.

    Checks every file's SHA-256, then replays the stored reference images on every backend that
    is installed: does the artifact compute here what it computed on the desk, and how far is it
    from the float model? Needs no tensorflow. The exit code is 1 if anything fails.

    \b
    Example:
      alledge verify bundles/mobilenetv2-int8
    """
    import json

    from .bundle.verify import verify_bundle, verify_text

    document = verify_bundle(bundle)
    click.echo(json.dumps(document, indent=2) if as_json else verify_text(document))
    if document["verdict"] == "fail":
        click.get_current_context().exit(1)
