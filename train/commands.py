"""The commands of the training room; imports click only, the rest when a command runs."""

from __future__ import annotations

import json

import click

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command(short_help="List the six architectures and their parameters.")
@JSON_OPTION
def models(as_json: bool) -> None:
    """List the six architectures and their parameters.

    Counted for two labels, as Keras prints them: the optimizer column is what Adam keeps beside
    the weights. The paper's accuracies are as reported, on 22 test images.

    \b
    Example:
      alledge models --json
    """
    from .architectures import describe
    from .tables import models_table

    document = describe()
    click.echo(json.dumps(document, indent=2) if as_json else models_table(document))
