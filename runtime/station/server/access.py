"""Who may ask the server what: hosts, origins, the token, and headers of every answer.

A web page on the internet can send requests to this machine through its visitor's browser. Names
of hosts close the way of DNS rebinding, origins that of forged requests.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.responses import JSONResponse

from .access_options import is_loopback

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "alledge_session"
SAFE_METHODS = frozenset({"GET", "HEAD"})
DATA = "/v1/"
# What a browser may get without the token: the page itself, which holds no data, and the login.
OPEN_PATHS = frozenset({"/", "/v1/health", "/v1/login", "/openapi.json"})
OPEN_PREFIXES = ("/static/", "/messages/")

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class AccessRules:
    """Who may ask.

    Parameters
    ----------
    is_local : bool
        Whether the server listens on a loopback address.
    names : frozenset of str
        Names of hosts, in lower case, by which browsers may call this server.
    token : str or None
    """

    is_local: bool
    names: frozenset[str]
    token: str | None

    def allows_host(self, header: str | None) -> bool:
        """Return whether a browser may call the server by this ``Host``."""
        host = host_of(header or "")
        if not host:
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host in self.names
        return address.is_loopback or not self.is_local

    @property
    def session(self) -> str:
        """The value of the cookie of somebody who gave the token."""
        token = (self.token or "").encode("utf-8", "surrogatepass")
        return hmac.new(token, b"alledge session 1", hashlib.sha256).hexdigest()

    def knows(self, token: str) -> bool:
        """Return whether a token is the right one; takes the same time for every wrong one."""
        wanted, given = self.token or "", token
        return hmac.compare_digest(
            wanted.encode("utf-8", "surrogatepass"), given.encode("utf-8", "surrogatepass")
        )


def access_rules(host: str, token: str | None, names: Iterable[str] = ()) -> AccessRules:
    """Return the rules of a server.

    Parameters
    ----------
    host : str
        The address it listens on.
    token : str or None
    names : iterable of str
        Further names of this machine.
    """
    own = {"localhost", *(name.lower().rstrip(".") for name in names)}
    is_local = is_loopback(host)
    if not is_local:
        own |= {socket.gethostname().lower(), host.lower()}
    return AccessRules(is_local, frozenset(own), token)


def host_of(header: str) -> str:
    """Return the name or address of a ``Host`` header, without the port, in lower case.

    Examples
    --------
    >>> [host_of(text) for text in ("LocalHost.:80", "[::1]:8080", "10.0.0.1")]
    ['localhost', '::1', '10.0.0.1']
    """
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].rstrip(".")


class AccessMiddleware:
    """Refuses requests of strangers, and adds the security headers to each answer.

    Parameters
    ----------
    app : ASGI application
    rules : AccessRules
    """

    def __init__(self, app: Application, rules: AccessRules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in HEADERS.items()
                        if name.encode() not in own
                    ),
                ]
            await send(message)

        refusal = refusal_of(scope, self._rules)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        else:
            await refusal(scope, receive, send_with_headers)


def refusal_of(scope: Scope, rules: AccessRules) -> JSONResponse | None:
    """Return the answer to a request that is refused; None if it is allowed."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get("host")
    if not rules.allows_host(host):
        return _refused(
            421, f"this server is not called {host!r}", "call it localhost, or start it with --name"
        )
    if not _is_same_origin(scope, headers):
        return _refused(403, "another web page sent this request", "use the page of this server")
    if rules.token is not None and not (_is_open(scope) or _has_token(headers, rules)):
        response = _refused(401, "the token is missing or wrong", "Authorization: Bearer TOKEN")
        response.headers["www-authenticate"] = "Bearer"
        return response
    return None


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"]
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def _is_same_origin(scope: Scope, headers: dict[str, str]) -> bool:
    """Return False if a browser says that another page sent the request."""
    if scope["method"] in SAFE_METHODS and not scope["path"].startswith(DATA):
        return True  # a link to the page may be anywhere
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if scope["method"] in SAFE_METHODS or origin is None:
        return True
    host = headers.get("host", "").lower()
    return origin.lower() in (f"http://{host}", f"https://{host}")


def _has_token(headers: dict[str, str], rules: AccessRules) -> bool:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rules.knows(token.strip())
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return False
    return cookie is not None and hmac.compare_digest(cookie.value, rules.session)


def _refused(status: int, what: str, fix: str) -> JSONResponse:
    headers = {"connection": "close"}  # what follows the request is not read
    return JSONResponse({"error": what, "fix": fix}, status, headers=headers)
