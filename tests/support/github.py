"""A server on loopback that speaks the part of GitHub's API by which an entry is proposed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from support.deposits import Answer, Loopback, Request


@dataclass
class Repository:
    """A repository: its branches with their files, and who may write into it."""

    name: str
    writers: tuple[str, ...] = ()
    default: str = "main"
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})
    pulls: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    parent: str | None = None


class GitHub(Loopback):
    """GitHub, with users by their tokens.

    ``forbidden`` holds what nobody may do: ``forks``, ``pulls`` or ``issues``.
    """

    def __init__(self, tokens: Mapping[str, str], *repositories: Repository) -> None:
        super().__init__()
        self.tokens = dict(tokens)
        self.repositories = {repository.name: repository for repository in repositories}
        self.forbidden: set[str] = set()

    def respond(self, request: Request, query: dict[str, str]) -> Answer:
        user = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:
            return Answer(401, {"message": "Bad credentials"})
        parts = [unquote(part) for part in urlsplit(request.path).path.split("/")[1:]]
        value = json.loads(request.body) if request.body else {}
        if parts == ["user"]:
            return Answer(200, {"login": user})
        repository = self.repositories.get("/".join(parts[1:3]))
        if parts[0] != "repos" or repository is None:
            return Answer(404, {"message": "Not Found"})
        if request.method == "POST" and parts[-1] in self.forbidden:
            return Answer(403, {"message": "Resource not accessible by personal access token"})
        return self._of(repository, user, request.method, parts[3:], query, value)

    def _of(
        self,
        repository: Repository,
        user: str,
        method: str,
        parts: list[str],
        query: dict[str, str],
        value: Any,
    ) -> Answer:
        writes = user in repository.writers
        if method in ("POST", "PUT") and parts[0] in ("git", "contents") and not writes:
            return Answer(403, {"message": "Must have push access"})
        match [method, *parts]:
            case ["GET"]:
                return Answer(
                    200,
                    {
                        "full_name": repository.name,
                        "default_branch": repository.default,
                        "permissions": {"push": writes, "pull": True},
                    },
                )
            case ["POST", "forks"]:
                name = f"{user}/{repository.name.partition('/')[2]}"
                if name not in self.repositories:
                    branches = {branch: dict(f) for branch, f in repository.branches.items()}
                    self.repositories[name] = Repository(
                        name, (user,), branches=branches, parent=repository.name
                    )
                return Answer(202, {"full_name": name})
            case ["POST", "merge-upstream"]:
                return Answer(200, {"merge_type": "none"})
            case ["GET", "git", "ref", "heads", branch]:
                if branch not in repository.branches:
                    return Answer(404, {"message": "Not Found"})
                return Answer(200, {"object": {"sha": _sha(f"{branch}".encode())}})
            case ["POST", "git", "refs"]:
                branch = value["ref"].removeprefix("refs/heads/")
                if branch in repository.branches:
                    return Answer(422, {"message": "Reference already exists"})
                repository.branches[branch] = dict(repository.branches[repository.default])
                return Answer(201, {"ref": value["ref"]})
            case ["GET", "contents", *names]:
                content = repository.branches.get(query.get("ref", ""), {}).get("/".join(names))
                if content is None:
                    return Answer(404, {"message": "Not Found"})
                coded = base64.encodebytes(content).decode()
                return Answer(200, {"sha": _sha(content), "content": coded})
            case ["PUT", "contents", *names]:
                return self._put(repository.branches[value["branch"]], "/".join(names), value)
            case ["GET", "pulls"]:
                found = [pull for pull in repository.pulls if pull["head"] == query["head"]]
                return Answer(200, found)
            case ["POST", "pulls"]:
                if any(pull["head"] == value["head"] for pull in repository.pulls):
                    return Answer(422, {"message": "A pull request already exists"})
                address = f"{self.url}/{repository.name}/pull"
                repository.pulls.append(
                    {**value, "html_url": f"{address}/{len(repository.pulls) + 1}"}
                )
                return Answer(201, repository.pulls[-1])
            case ["GET", "issues"]:
                return Answer(200, repository.issues)
            case ["POST", "issues"]:
                address = f"{self.url}/{repository.name}/issues"
                repository.issues.append(
                    {**value, "html_url": f"{address}/{len(repository.issues) + 1}"}
                )
                return Answer(201, repository.issues[-1])
        return Answer(404, {"message": "Not Found"})

    def _put(self, files: dict[str, bytes], path: str, value: Any) -> Answer:
        if path in files and value.get("sha") != _sha(files[path]):
            return Answer(409, {"message": f"{path} does not match"})
        files[path] = base64.b64decode(value["content"])
        return Answer(201, {"content": {"path": path}})


def _sha(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
