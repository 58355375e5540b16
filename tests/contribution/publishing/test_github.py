from __future__ import annotations

import json

import pytest

from medigan_hub.contribution.publishing import github
from support import projects
from support.github import GitHub, Repository
from support.publishing import HUB_TOKEN, Run, run

HUB = "example/medigan-hub"
FORK = "ada/medigan-hub"
PATH = "medigan_hub/catalogue/toy-levels.json"
BRANCH = "add-toy-levels-1.0.0"


@pytest.fixture
def hub(monkeypatch):
    with GitHub({HUB_TOKEN: "ada"}, Repository(HUB, ("eve",))) as server:
        monkeypatch.setenv("GITHUB_API_URL", server.url)
        monkeypatch.setenv("GITHUB_TOKEN", HUB_TOKEN)
        yield server


@pytest.fixture
def publish(capsys, project, zenodo, hub):
    def publish_project(*more: object) -> Run:
        return run(capsys, project, "--server", zenodo.url, "--yes", "--github", HUB, *more)

    return publish_project


def test_an_entry_becomes_a_pull_request_from_a_fork(publish, hub, zenodo):
    done = publish("--json")
    assert done.code == 0, done.err
    [pull] = hub.repositories[HUB].pulls
    assert done.json["github"] == pull["html_url"]
    assert (pull["head"], pull["base"]) == (f"ada:{BRANCH}", "main")
    assert pull["title"] == "Add toy-levels 1.0.0"
    assert done.json["doi"] in pull["body"]
    content = hub.repositories[FORK].branches[BRANCH][PATH]
    assert content == zenodo.records[0].files["metadata.json"].content
    assert PATH not in hub.repositories[FORK].branches["main"]
    assert not hub.repositories[HUB].issues


def test_who_may_write_needs_no_fork(publish, hub):
    hub.repositories[HUB].writers = ("ada",)
    assert publish().code == 0
    assert set(hub.repositories) == {HUB}
    [pull] = hub.repositories[HUB].pulls
    assert pull["head"] == f"example:{BRANCH}"
    assert PATH in hub.repositories[HUB].branches[BRANCH]


def test_run_again_there_is_one_pull_request(publish, hub):
    first, second = publish("--json"), publish("--json")
    assert first.json == second.json
    assert len(hub.repositories[HUB].pulls) == 1
    assert len(hub.asked("PUT", ".*/contents/.*")) == 1


def test_an_entry_can_be_proposed_later(capsys, project, zenodo, publish, hub):
    assert run(capsys, project, "--server", zenodo.url, "--yes").code == 0
    assert not hub.requests
    assert publish().code == 0
    assert len(hub.repositories[HUB].pulls) == 1
    assert len(zenodo.deposits) == 1


def test_an_entry_that_is_there_is_replaced(publish, hub):
    hub.repositories[HUB].branches["main"][PATH] = b'{"version": "0.9.0"}\n'
    assert publish().code == 0
    content = hub.repositories[FORK].branches[BRANCH][PATH]
    assert json.loads(content)["version"] == "1.0.0"


@pytest.mark.parametrize("what", ["forks", "pulls", "refs"])
def test_where_no_pull_request_can_be_made_an_issue_is(publish, hub, what):
    hub.forbidden.add(what)
    done = publish("--json")
    assert done.code == 0, done.err
    [issue] = hub.repositories[HUB].issues
    assert done.json["github"] == issue["html_url"]
    assert issue["title"] == "Add toy-levels 1.0.0"
    document = json.loads(issue["body"].partition("```json\n")[2].partition("```")[0])
    assert document["doi"] == done.json["doi"]
    assert not hub.repositories[HUB].pulls
    assert publish().code == 0
    assert len(hub.repositories[HUB].issues) == 1


def test_a_document_that_no_issue_can_hold_is_named(publish, hub, project):
    projects.edit(project, notes=["x" * 7000] * 9)
    hub.forbidden.add("forks")
    assert publish().code == 0
    [issue] = hub.repositories[HUB].issues
    assert len(issue["body"]) < 1000
    assert "metadata.json" in issue["body"]


@pytest.mark.parametrize("after", [False, True], ids=["undone", "done"])
@pytest.mark.parametrize("how", [{"drop": True}, {"status": 502}])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/user"),
        ("POST", ".*/forks"),
        ("POST", ".*/merge-upstream"),
        ("POST", ".*/git/refs"),
        ("PUT", ".*/contents/.*"),
        ("POST", ".*/pulls"),
    ],
)
def test_an_answer_that_is_lost_is_asked_for_again(publish, hub, after, how, method, path):
    hub.fail(method, path, after=after, **how)
    done = publish()
    assert done.code == 0, done.err
    assert len(hub.repositories[HUB].pulls) == 1
    assert PATH in hub.repositories[FORK].branches[BRANCH]
    assert not hub.repositories[HUB].issues


def test_github_is_waited_for_where_it_limits(publish, hub, waits):
    limits = {"X-RateLimit-Remaining": "0", "Retry-After": "5"}
    hub.fail("GET", "/user", status=403, headers=limits)
    assert publish().code == 0
    assert waits == [5.0]


def test_what_can_not_be_proposed_is_published_all_the_same(publish, hub, zenodo, project):
    hub.tokens.clear()
    done = publish("--json")
    assert done.code == 1
    assert "is published as 10.5072/zenodo.1001, but its entry is not proposed" in done.err
    assert "GITHUB_TOKEN is wrong or has expired" in done.err
    assert str(project / "dist" / "toy-levels.json") in done.err
    assert done.json["doi"] == "10.5072/zenodo.1001"
    assert done.json["github"] is None
    assert len(zenodo.records) == 1


def test_a_repository_that_is_not_there_is_said(capsys, project, zenodo, hub):
    done = run(capsys, project, "--server", zenodo.url, "--yes", "--github", "example/other")
    assert done.code == 1
    assert "GitHub has no repository example/other" in done.err


@pytest.mark.parametrize("name", ["medigan-hub", "a/b/c", "example/..", "https://github.com/a/b"])
def test_what_is_no_repository_is_refused_before_anything(capsys, project, zenodo, hub, name):
    done = run(capsys, project, "--server", zenodo.url, "--yes", "--github", name)
    assert done.code == 1
    assert done.err == f"error: --github is {name!r}; name the hub's repository as OWNER/NAME\n"
    assert not zenodo.requests


def test_a_missing_token_is_said_before_anything(publish, zenodo, monkeypatch):
    monkeypatch.delenv("GITHUB_TOKEN")
    done = publish()
    assert done.code == 1
    assert "set GITHUB_TOKEN" in done.err
    assert not zenodo.requests


def test_githubs_address_must_be_one_for_a_token(publish, zenodo, monkeypatch):
    monkeypatch.setenv("GITHUB_API_URL", "http://github.example.org")
    done = publish()
    assert done.code == 1
    assert "GITHUB_API_URL is http://github.example.org" in done.err
    assert not zenodo.requests


def test_what_is_on_the_sandbox_is_marked_as_a_trial():
    how = {"document": b"{}", "doi": "10.5072/zenodo.1", "record": "https://sandbox.zenodo.org/1"}
    entry = github.Entry("toy", "1.0.0", trial=True, **how)
    assert entry.title.startswith("Trial, not to merge")
    assert "leads nowhere" in entry.words
    assert not github.Entry("toy", "1.0.0", trial=False, **how).title.startswith("Trial")
