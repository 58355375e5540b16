"""Tokens: found in the environment, the keyring or at a prompt, and shown nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from medigan_hub.contribution.publishing.servers import GITHUB, OTHER, PRODUCTION, SANDBOX, Server
from medigan_hub.errors import RequestError
from medigan_hub.secrecy import Secret

SERVICE = "medigan-hub"
"""Service under which the keyring keeps tokens; the user is the server's address."""
VARIABLES = (
    *(SANDBOX.variable, PRODUCTION.variable, OTHER, GITHUB),
    *("GH_TOKEN", "GITHUB_PAT", "PYPI_TOKEN", "TWINE_PASSWORD"),
)
"""Variables of the environment that hold tokens: those read here, and others of their kind."""


class Token(Secret):
    """A token that goes into a header, and is not shown, compared, copied or stored.

    >>> Token("secret", "the keyring")
    Token(from the keyring)
    """

    __slots__ = ("source",)

    def __init__(self, value: str, source: str) -> None:
        super().__init__(value)
        self.source = source
        """Where it is from, in words."""

    def __call__(self, request: Any) -> Any:
        """Add the token to a request, as ``requests`` wants it of who signs one."""
        request.headers["Authorization"] = f"Bearer {self._value}"
        return request

    def __repr__(self) -> str:
        return f"Token(from {self.source})"


def find(server: Server, ask: Callable[[str], str] | None = None) -> Token:
    """Return the token for a server; ``ask`` prompts for it, if there is somebody to ask.

    Raises
    ------
    RequestError
        There is none, or what is there can't be one.
    """
    if value := os.environ.get(server.variable, "").strip():
        return _checked(value, server.variable)
    if value := (_from_keyring(server) or "").strip():
        return _checked(value, "the keyring")
    if ask is not None and (value := ask(f"Token for {server.host}").strip()):
        return _checked(value, "the prompt")
    raise RequestError(
        f"there is no token for {server.host}: set {server.variable}, or keep it in the system's "
        f"keyring: keyring set {SERVICE} {server.base}"
    )


@contextmanager
def kept_from_others() -> Iterator[None]:
    """Keep tokens from the programs that are started here, such as a build or the model itself."""
    taken = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)


def _from_keyring(server: Server) -> str | None:
    try:
        import keyring

        return keyring.get_password(SERVICE, server.base)
    except Exception:  # whatever keeps it from answering, the token can come another way
        return None


def _checked(value: str, source: str) -> Token:
    # Anything else could not be in a header, or would end it.
    if not all("!" <= character <= "~" for character in value) or len(value) < 4:
        raise RequestError(
            f"what is in {source} can't be a token: it has spaces, other characters than letters, "
            "digits and signs, or next to none; copy it again"
        )
    return Token(value, source)
