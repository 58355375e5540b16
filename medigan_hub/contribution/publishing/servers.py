"""Which server a package is published on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from medigan_hub.errors import RequestError, named
from medigan_hub.web import shown
from medigan_hub.weights.places import is_private


@dataclass(frozen=True)
class Server:
    """A server, and where its token is looked for."""

    base: str
    """Its address, without a slash at its end."""
    variable: str
    """Environment variable with the token."""
    kind: str
    """``sandbox``, ``production``, ``other`` or ``github``."""

    @property
    def host(self) -> str:
        """Return its name, with the port if there is one."""
        return urlsplit(self.base).netloc


# The variables are those that zenodo-client reads.
SANDBOX = Server("https://sandbox.zenodo.org", "ZENODO_SANDBOX_API_TOKEN", "sandbox")
PRODUCTION = Server("https://zenodo.org", "ZENODO_API_TOKEN", "production")
OTHER = "MEDIGAN_DEPOSIT_TOKEN"
GITHUB = "GITHUB_TOKEN"


def chosen(*, production: bool, url: str | None) -> Server:
    """Return the server that was asked for: by default the sandbox.

    Raises
    ------
    RequestError
        Two were asked for, or the URL is none to send a token to.
    """
    if url is None:
        return PRODUCTION if production else SANDBOX
    if production:
        raise RequestError(f"give {named('production')} or {named('server')}, not both")
    base = address(url, named("server"))
    known = next((server for server in (SANDBOX, PRODUCTION) if server.base == base), None)
    if known is not None:
        remedy = f"leave {named('server')} out"
        if known == PRODUCTION:
            remedy = f"give {named('production', True)} in its place"
        raise RequestError(f"{named('server')} is {base}; {remedy}")
    return Server(base, OTHER, "other")


def address(url: str, what: str) -> str:
    """Return the address of a server that a token may be sent to; ``what`` says where it is from.

    >>> address("https://deposit.example.org/", "server")
    'https://deposit.example.org'
    >>> address("http://deposit.example.org", "server")
    Traceback (most recent call last):
    ...
    medigan_hub.errors.RequestError: server is http://deposit.example.org; a token is sent by \
https alone (by http to this machine): name an address such as https://deposit.example.org

    Raises
    ------
    RequestError
        It is no URL, holds more than an address, or could be listened to.
    """
    base = url.strip().rstrip("/")
    plain = re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~/-]*)?", base)
    if plain is None:
        raise RequestError(
            f"{what} is {shown(base)}; it must be the address of a server alone, such as "
            "https://deposit.example.org"
        )
    try:
        private = is_private(base) and urlsplit(base).port != 0
    except ValueError:
        raise RequestError(f"{what} is {base}; its port is none") from None
    if not private:
        raise RequestError(
            f"{what} is {base}; a token is sent by https alone (by http to this machine): name an "
            f"address such as https://{urlsplit(base).netloc}"
        )
    return base
