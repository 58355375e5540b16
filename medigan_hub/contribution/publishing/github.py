"""A catalogue entry for the hub's repository: a pull request, or an issue where none can be made.

Source: the REST API of GitHub, version 2022-11-28, https://docs.github.com/rest.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from medigan_hub import web
from medigan_hub.contribution.publishing.connection import Connection
from medigan_hub.contribution.publishing.servers import GITHUB, Server, address
from medigan_hub.contribution.publishing.tokens import Token
from medigan_hub.errors import NetworkError, RequestError, named
from medigan_hub.web import Refused

HEADERS = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
}
REMEDIES = {
    401: "the token from {source} is wrong or has expired: make another in GitHub's settings, "
    "Developer settings, with the right to write contents and pull requests",
    403: "the token from {source} does not allow it: it lacks a right such as to write contents, "
    "pull requests or issues",
}
IMPOSSIBLE = (403, 404, 422)
"""What GitHub answers where a fork, a branch or a pull request can't be made."""
FOLDER = "medigan_hub/catalogue"
MAX_FORK_LOOKS = 10
FORK_WAIT_SECONDS = 3.0
"""Seconds between looks at a fork that GitHub is making."""
MAX_ISSUE_CHARACTERS = 60_000
"""Characters of a document that an issue can hold: GitHub takes 65,536 in all."""


@dataclass(frozen=True)
class Entry:
    """What is proposed for the catalogue."""

    model: str
    version: str
    document: bytes
    doi: str
    record: str
    """Address of its record."""
    trial: bool
    """Whether it is on a server for trials, whose DOIs lead nowhere."""

    @property
    def branch(self) -> str:
        """Return the name of its branch, the same whenever it is proposed."""
        return f"add-{self.model}-{re.sub(r'[^0-9A-Za-z.-]', '-', self.version)}"

    @property
    def path(self) -> str:
        """Return its place in the repository."""
        return f"{FOLDER}/{self.model}.json"

    @property
    def title(self) -> str:
        """Return what it is, in one line."""
        return f"{'Trial, not to merge: ' if self.trial else ''}Add {self.model} {self.version}"

    @property
    def words(self) -> str:
        """Return what is to be said of it."""
        lines = [
            f"The metadata of `{self.model}` {self.version} for the catalogue, as published in "
            f"{self.record} (DOI {self.doi}).",
            "The package passed `medigan check` before it was published.",
        ]
        if self.trial:
            lines.append("The record is on a server for trials, and its DOI leads nowhere.")
        return "\n\n".join(lines)


def server() -> Server:
    """Return GitHub's API, by default that of github.com.

    Raises
    ------
    RequestError
        ``GITHUB_API_URL``, which GitHub's own runners set, is no address for a token.
    """
    url = os.environ.get("GITHUB_API_URL", "").strip() or "https://api.github.com"
    return Server(address(url, "GITHUB_API_URL"), GITHUB, "github")


def repository(text: str) -> str:
    """Return the name of a repository.

    >>> repository("example/medigan-hub")
    'example/medigan-hub'

    Raises
    ------
    RequestError
        It is none.
    """
    if re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", text) is None or text.endswith(("/.", "/..")):
        raise RequestError(
            f"{named('github')} is {text!r}; name the hub's repository as OWNER/NAME"
        )
    return text


def propose(entry: Entry, name: str, token: Token, say: Callable[[str], None]) -> str:
    """Return the address of the pull request with an entry, or of the issue in its place.

    What is there from an earlier run is used again.

    Raises
    ------
    NetworkError
        Neither can be made.
    """
    connection = Connection(server(), token, say, REMEDIES, HEADERS)
    return _Repository(connection, name).propose(entry)


class _Repository:
    def __init__(self, connection: Connection, name: str) -> None:
        self._connection, self._name = connection, name

    def propose(self, entry: Entry) -> str:
        about = self._about(self._name)
        if about is None:
            raise NetworkError(
                f"GitHub has no repository {self._name} that the token can see; mend "
                f"{named('github')}, or give the token access to it"
            )
        login = str(self._get("user")["login"])
        try:
            return self._pull_request(entry, about, login)
        except Refused as error:
            if error.reply.status not in IMPOSSIBLE:
                raise
            self._connection.say(f"a pull request can't be made ({error}); an issue it is")
            return self._issue(entry, login)

    def _pull_request(self, entry: Entry, about: dict[str, Any], login: str) -> str:
        base = str(about["default_branch"])
        head = self._name
        if not about.get("permissions", {}).get("push"):
            head = self._fork(login, base)
        self._branch(head, base, entry)
        self._commit(head, entry)
        owner = head.partition("/")[0]
        value = {
            **{"title": entry.title, "body": entry.words, "base": base},
            "head": f"{owner}:{entry.branch}",
        }

        def attempt() -> str:
            # An earlier run may have made it, or a request whose answer was lost.
            there = self._open(owner, entry)
            return there or self._page(self._post_once(f"repos/{self._name}/pulls", value))

        return web.retry(attempt, self._connection.say)

    def _fork(self, login: str, base: str) -> str:
        """Return the user's fork, made or brought up to date."""
        made = str(self._post(f"repos/{self._name}/forks", {})["full_name"])
        for _ in range(MAX_FORK_LOOKS):
            if self._about(made) is not None:
                break
            web.pause(FORK_WAIT_SECONDS)
        else:
            raise NetworkError(
                f"GitHub is still making the fork {made}; run this again in some minutes"
            )
        try:
            self._post(f"repos/{made}/merge-upstream", {"branch": base})
        except Refused as error:
            # A branch of the user's own; GitHub shares the commits of forks all the same.
            if error.reply.status not in (404, 409, 422):
                raise
        return made

    def _branch(self, head: str, base: str, entry: Entry) -> None:
        reference = f"repos/{head}/git/ref/heads/{quote(entry.branch)}"
        if self._get_or_none(reference) is not None:
            return
        newest = self._get(f"repos/{self._name}/git/ref/heads/{quote(base)}")["object"]["sha"]
        try:
            self._post(
                f"repos/{head}/git/refs", {"ref": f"refs/heads/{entry.branch}", "sha": newest}
            )
        except Refused as error:
            # It was made by a request whose answer was lost.
            if error.reply.status != 422 or self._get_or_none(reference) is None:
                raise

    def _commit(self, head: str, entry: Entry) -> None:
        url = f"repos/{head}/contents/{quote(entry.path)}"
        there = self._get_or_none(f"{url}?{urlencode({'ref': entry.branch})}")
        if there is not None and _content(there) == entry.document:
            return
        value = {
            **{"message": entry.title, "branch": entry.branch},
            "content": base64.b64encode(entry.document).decode(),
            **({} if there is None else {"sha": there["sha"]}),
        }
        try:
            self._connection.ask("PUT", self._url(url), value=value)
        except Refused as error:
            # Once an answer was lost, the file is there under another name than was replaced.
            if error.reply.status not in (409, 422):
                raise
            there = self._get_or_none(f"{url}?{urlencode({'ref': entry.branch})}")
            if there is None or _content(there) != entry.document:
                raise

    def _open(self, owner: str, entry: Entry) -> str | None:
        query = urlencode({"head": f"{owner}:{entry.branch}", "state": "open"})
        found = self._get_once(f"repos/{self._name}/pulls?{query}")
        return self._page(found[0]) if found else None

    def _issue(self, entry: Entry, login: str) -> str:
        text = entry.document.decode()
        held = (
            f"```json\n{text}```"
            if len(text) <= MAX_ISSUE_CHARACTERS
            else f"The document is too long for an issue: it is `metadata.json` in {entry.record}."
        )
        value = {"title": entry.title, "body": f"{entry.words}\n\n`{entry.path}`:\n\n{held}"}
        query = urlencode({"creator": login, "state": "open", "per_page": 100})

        def attempt() -> str:
            for issue in self._get_once(f"repos/{self._name}/issues?{query}"):
                if issue["title"] == entry.title:
                    return self._page(issue)
            return self._page(self._post_once(f"repos/{self._name}/issues", value))

        return web.retry(attempt, self._connection.say)

    def _page(self, made: dict[str, Any]) -> str:
        """Return the address of a pull request or an issue, or else of the repository."""
        return self._connection.page(made["html_url"], f"https://github.com/{self._name}")

    def _about(self, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._get_or_none(f"repos/{name}")
        return found

    def _get(self, path: str) -> Any:
        return self._connection.value(self._connection.ask("GET", self._url(path)))

    def _get_once(self, path: str) -> Any:
        return self._connection.value(self._connection.once("GET", self._url(path)))

    def _get_or_none(self, path: str) -> Any:
        try:
            return self._get(path)
        except Refused as error:
            if error.reply.status == 404:
                return None
            raise

    def _post(self, path: str, value: Any) -> Any:
        reply = self._connection.ask("POST", self._url(path), value=value)
        return reply.json()

    def _post_once(self, path: str, value: Any) -> Any:
        return self._connection.value(self._connection.once("POST", self._url(path), value=value))

    def _url(self, path: str) -> str:
        return f"{self._connection.server.base}/{path}"


def _content(there: dict[str, Any]) -> bytes:
    return base64.b64decode(str(there.get("content", "")))
