"""What is asked of one server as one user: the token goes there, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from medigan_hub import web
from medigan_hub.contribution.publishing.servers import Server
from medigan_hub.contribution.publishing.tokens import Token
from medigan_hub.errors import NetworkError
from medigan_hub.secrecy import STRUCK
from medigan_hub.web import Refused, Reply, Unavailable, shown

MAX_CHARACTERS = 400
"""Characters that are shown of what a server says."""


@dataclass(frozen=True)
class Connection:
    """Asks a server as a user of it."""

    server: Server
    token: Token = field(repr=False)
    say: Callable[[str], None]
    """Told when something is tried again."""
    remedies: Mapping[int, str]
    """What to do about an answer, by its code."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What goes with every request."""

    def ask(self, method: str, url: str, **more: Any) -> Reply:
        """Do as ``once``, again where that may help; for what may be done twice.

        Raises
        ------
        NetworkError
            As for ``once``.
        """
        return web.retry(lambda: self.once(method, url, **more), self.say)

    def once(
        self,
        method: str,
        url: str,
        *,
        value: Any = None,
        content: Any = None,
        timeout: float = 60.0,
    ) -> Reply:
        """Ask for a URL of the server; ``value`` is sent as JSON, ``content`` as it is.

        Raises
        ------
        Unavailable
            Another try may be better; what was asked may be done all the same.
        Refused
            The server does not do it; the message says what it says to that.
        NetworkError
            The URL is another server's, or the network fails for good.
        """
        if not self._is_here(url):
            raise NetworkError(
                f"{self.server.host} names {shown(url)}, which is another server: nothing is sent "
                "there, and no token; tell those who run it"
            )
        headers = {"Accept": "application/json", **self.headers}
        if value is not None:
            content = json.dumps(value).encode()
            headers["Content-Type"] = "application/json"
        elif content is not None:
            headers["Content-Type"] = "application/octet-stream"
        try:
            return web.send(
                method,
                url,
                authorise=self.token,
                headers=headers,
                content=content,
                timeout=timeout,
            )
        except Refused as error:
            raise Refused(self._words(error), error.reply) from None

    def value(self, reply: Reply) -> Any:
        """Return the JSON object or list of a reply, without the token where it repeats that.

        Raises
        ------
        Unavailable
            It is none, as where a connection broke off.
        """
        found = reply.json()
        if not isinstance(found, dict | list):
            raise Unavailable(f"{self.server.host} gives an answer that can't be read")
        return self._without_token(found)

    def page(self, url: Any, otherwise: str) -> str:
        """Return the address of a page for people, as a server names it, to be shown and stored.

        What is no page of the server itself, or repeats the token, is replaced by the
        address ``otherwise``. GitHub's pages are on another host than what it is asked by.
        """
        try:
            parts, here = urlsplit(str(url)), urlsplit(self.server.base)
            origins = {here.netloc, here.netloc.removeprefix("api.")}
            mine = parts.scheme == here.scheme and parts.netloc in origins
        except ValueError:
            mine = False
        bare = shown(str(url))
        return bare if mine and STRUCK not in bare else otherwise

    def _is_here(self, url: str) -> bool:
        try:
            there, here = urlsplit(url), urlsplit(self.server.base)
        except ValueError:
            return False
        return (there.scheme, there.netloc) == (here.scheme, here.netloc)

    def _without_token(self, value: Any) -> Any:
        """Return a JSON value whose texts don't hold the token: they are shown, and stored."""
        if isinstance(value, str):
            return self.token.hidden(value)
        if isinstance(value, list):
            return [self._without_token(each) for each in value]
        if isinstance(value, dict):
            return {self.token.hidden(k): self._without_token(v) for k, v in value.items()}
        return value

    def _words(self, error: Refused) -> str:
        code = error.reply.status
        if 300 <= code < 400:
            return (
                f"{self.server.host} leads elsewhere ({code}), where no token is sent; name the "
                "server by its own address"
            )
        if code == 403 and error.reply.is_page:
            return f"{error}: it shows a page to programs, and no answer; try again later"
        said = _said(error.reply.json())
        if self.token.is_repeated(said):
            said = "its words are left out: they repeat the token"
        said = said[:MAX_CHARACTERS]
        words = f"{error}" + (f" ({said})" if said and code not in (401, 403) else "")
        remedy = self.remedies.get(code, "").format(source=self.token.source)
        return f"{words}; {remedy}" if remedy else words


def _said(answer: Any) -> str:
    """Return what an answer says is wrong, in the ways of Zenodo and of GitHub."""
    if not isinstance(answer, dict):
        return ""
    parts = [str(answer.get("message", ""))]
    errors = answer.get("errors")
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict):
            said = error.get("messages", error.get("message", error.get("code", "")))
            said = ", ".join(map(str, said)) if isinstance(said, list) else str(said)
            parts.append(f"{error.get('field', '')}: {said}".strip(": "))
        else:
            parts.append(str(error))
    return " ".join("; ".join(part for part in parts if part).split())
