"""The commands ``alledge station …``; each imports its modules when it runs."""

from __future__ import annotations

import click

from ...terminal import echo, printable


@click.group(short_help="Run the workstation as a service.")
def station() -> None:
    """Run the workstation as a service.

    It starts with the machine, and again after a failure. `alledge doctor` says what is wrong
    with it.

    \b
    Example:
      alledge station install /mnt/camera --dry-run
      sudo alledge station install /mnt/camera --port 8750
      sudo alledge station uninstall
    """


@station.command(
    short_help="Install the service, and start it.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("words", metavar="[FOLDER]... [OPTIONS OF SERVE]", nargs=-1, type=click.UNPROCESSED)
@click.option("--no-page", is_flag=True, help="Run `alledge watch` in place of `alledge serve`.")
@click.option(
    "--user",
    metavar="NAME",
    help="User under which it runs.  [default: alledge; on Windows this user]",
)
@click.option(
    "--command", "program", metavar="FILE", help="The command alledge.  [default: this one]"
)
@click.option("--dry-run", is_flag=True, help="Print what would be written and run.")
@click.option("--force", is_flag=True, help="Replace a service file that alledge did not write.")
def install(
    words: tuple[str, ...],
    no_page: bool,
    user: str | None,
    program: str | None,
    dry_run: bool,
    force: bool,
) -> None:
    """Install the service, and start it.

    Takes the folders and options of `alledge serve`, or with --no-page those of `alledge watch`.
    On Linux it is a systemd unit with a user of its own, which writes to the folder of the
    workstation only. On Windows it is a scheduled task that starts when this user logs on.
    Installing again replaces it.

    \b
    Example:
      alledge station install /mnt/camera --dry-run
      sudo alledge station install /mnt/camera --host 0.0.0.0
    """
    from . import installing
    from .planning import plan_service, this_command

    plan = plan_service(
        words, has_page=not no_page, command=(program,) if program else this_command(),
        default_home=installing.default_home(), user=user or installing.default_user(),
    )  # fmt: skip
    installation = installing.installation_of(plan)
    if dry_run:
        for command in installation.before:
            echo(f"$ {printable(' '.join(command))}")
        for file in installation.files:
            text = "(secrets; an existing file stays)" if file.is_secret else file.text
            echo(f"--- {printable(str(file.path))}\n{text.rstrip()}")
        for command in installation.after:
            echo(f"$ {printable(' '.join(command))}")
        return
    installing.check_rights()
    installing.install(installation, force=force)
    for file in installation.files:
        note = " (has the token)" if file.is_secret and not plan.is_local else ""
        echo(f"{printable(str(file.path))}{note}")
    echo("installed and started; `alledge doctor` checks it", err=True)


@station.command(short_help="Stop the service, and remove it.")
def uninstall() -> None:
    """Stop the service, and remove it; the history and its pictures stay.

    \b
    Example:
      sudo alledge station uninstall
    """
    from . import installing

    installing.check_rights()
    for line in installing.uninstall():
        echo(f"stays: {printable(line)}", err=True)
