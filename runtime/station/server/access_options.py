"""Checks the address and the token of ``alledge serve``; standard library only."""

from __future__ import annotations

import ipaddress

from ....errors import UsageError

SHORTEST_TOKEN = 16  # characters


def check_access(host: str, token: str | None) -> None:
    """Check that a server may listen on an address.

    Parameters
    ----------
    host : str
    token : str or None

    Raises
    ------
    UsageError
        If other machines can reach the address, and there is no token; if a token is short.
    """
    if token is None and not is_loopback(host):
        raise UsageError(
            f"{host} can be reached from other machines, so a token is needed",
            allowed="127.0.0.1, ::1 or localhost without a token",
            fix="--token, or the variable ALLEDGE_TOKEN, with a secret of "
            f"{SHORTEST_TOKEN} or more characters",
        )
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii()):
        raise UsageError(
            f"the token has {len(token)} characters"
            if token.isascii()
            else "the token is no ASCII",
            allowed=f"{SHORTEST_TOKEN} or more ASCII characters",
            fix='python -c "import secrets; print(secrets.token_urlsafe())" makes one',
        )


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
