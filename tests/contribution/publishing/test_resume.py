"""Publications that break off, anywhere, and go on: there is one record in the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Event

import pytest

from medigan_hub.contribution.publishing import state
from support import projects
from support.deposits import Dropped, Zenodo
from support.publishing import TOKEN, Launcher, run

PACKAGE = projects.PACKAGE
WEIGHTS = "generator.safetensors"
CORES = min(4, os.cpu_count() or 1)
STATE = ".medigan-publish.json"
DEPOSITS = "/api/deposit/depositions"


def check_one_record(zenodo: Zenodo, project: Path, records: int = 1) -> None:
    """Raise where there is not one record, of the files that were built, and no draft."""
    assert (len(zenodo.records), len(zenodo.drafts)) == (records, 0)
    there = zenodo.records[-1]
    known = json.loads((project / STATE).read_text())["servers"][zenodo.url]
    assert known["attempt"] is None
    files = known["records"][-1]["files"]
    assert {name: file.md5 for name, file in there.files.items()} == {
        name: digests[1] for name, digests in files.items()
    }
    assert len(there.files) == 4
    assert there.files[WEIGHTS].content == (project / PACKAGE / "weights" / WEIGHTS).read_bytes()
    document = json.loads(there.files["metadata.json"].content)
    assert document["doi"] == f"10.5072/zenodo.{there.id}"
    assert "medigan-publish-" not in json.dumps(there.metadata)


# Killed.


@pytest.fixture(scope="module")
def launchers():
    """One for each core, in a queue."""
    with ExitStack() as stack:
        free: SimpleQueue[Launcher] = SimpleQueue()
        for _ in range(CORES):
            free.put(stack.enter_context(Launcher()))
        yield free


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("version", ["first", "next"])
def test_killed_at_any_request_and_run_again_there_is_one_record(
    tmp_path, project, publish, zenodo, launchers, done, version
):
    """The process is killed when the server is asked for the nth time, or has done it."""
    if version == "next":
        assert publish("--yes").code == 0
        projects.raise_version(project)

    def scenario(number: int) -> bool:
        """Return whether the process lived to be killed at this request."""
        folder = tmp_path / f"{number}"
        copy = shutil.copytree(project, folder / "project")
        with Zenodo({TOKEN: "ada"}, first=2000) as server:
            if version == "next":  # with the record that is there, at this server's address
                server.deposits = {d.id: d for d in zenodo.records}
                text = (copy / STATE).read_text().replace(zenodo.url, server.url)
                (copy / STATE).write_text(text)
            known, victim = Event(), []

            def kill(request: int, effect: bool) -> None:
                if (request, effect) == (number, done):
                    known.wait()
                    os.kill(victim[0], signal.SIGKILL)
                    raise Dropped

            def started(process: int) -> None:
                victim.append(process)
                known.set()

            how = (
                [str(copy), "--server", server.url, "--yes"],
                {"MEDIGAN_CACHE": str(folder / "cache")},
                folder / "log",
            )
            launcher = launchers.get()
            try:
                server.hook = kill
                end = again = launcher.run(*how, started)
                if end == -signal.SIGKILL:
                    server.hook = lambda request, effect: None
                    again = launcher.run(*how)
            finally:
                launchers.put(launcher)
            assert again == 0, (number, (folder / "log").read_text())
            check_one_record(server, copy, 1 if version == "first" else 2)
            assert server.made == 1
            return end == -signal.SIGKILL

    killed: list[bool] = []
    with ThreadPoolExecutor(CORES) as pool:
        for begin in count(1, CORES):
            killed += pool.map(scenario, range(begin, begin + CORES))
            if not killed[-1]:
                break
    # Every request was the last of a process once.
    assert killed == sorted(killed, reverse=True)
    assert sum(killed) >= 12


def test_stopped_at_any_change_of_the_state_and_run_again_there_is_one_record(
    tmp_path, project, publish, zenodo, monkeypatch, capsys
):
    right = state.save
    for number in count(1):
        for late in (False, True):
            left = number

            def stop(*what, late=late):
                nonlocal left
                left -= 1
                if late:
                    right(*what)
                if not left:
                    raise KeyboardInterrupt
                if not late:
                    right(*what)

            copy = shutil.copytree(project, tmp_path / f"{number}{late}")
            monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / f"cache{number}{late}"))
            with Zenodo({TOKEN: "ada"}) as server:
                monkeypatch.setattr(state, "save", stop)
                done = run(capsys, copy, "--server", server.url, "--yes")
                monkeypatch.setattr(state, "save", right)
                assert done.code == (0 if left else 130)
                assert run(capsys, copy, "--server", server.url, "--yes").code == 0
                check_one_record(server, copy)
        if left:
            break
    assert number == 6


# Lost answers.


REQUESTS = [
    ("GET", DEPOSITS),
    ("POST", DEPOSITS),
    ("GET", f"{DEPOSITS}/[0-9]+/files"),
    ("PUT", f"/api/files/.*/{WEIGHTS}"),
    ("PUT", f"{DEPOSITS}/[0-9]+"),
    ("GET", f"{DEPOSITS}/[0-9]+"),
    ("POST", ".*/actions/publish"),
]


@pytest.mark.parametrize(("method", "path"), REQUESTS)
@pytest.mark.parametrize("after", [False, True], ids=["undone", "done"])
@pytest.mark.parametrize("how", [{"drop": True}, {"status": 502}, {"status": 429}])
def test_an_answer_that_is_lost_is_asked_for_again(
    publish, zenodo, project, method, path, after, how
):
    zenodo.fail(method, path, after=after, times=2, **how)
    done = publish("--yes")
    assert done.code == 0, done.err
    # What is done already when it is looked for is not asked for a third time.
    assert done.err.count("trying again in") == (1 if after and method == "POST" else 2)
    check_one_record(zenodo, project)


@pytest.mark.parametrize("former", [False, True])
@pytest.mark.parametrize("after", [False, True], ids=["undone", "done"])
def test_a_lost_answer_to_a_new_version_makes_no_second_draft(
    publish, zenodo, project, former, after
):
    zenodo.former = former
    assert publish("--yes").code == 0
    projects.raise_version(project)
    zenodo.fail("POST", ".*/newversion", drop=True, after=after)
    assert publish("--yes").code == 0
    check_one_record(zenodo, project, 2)


def test_a_draft_that_the_list_shows_late_is_found(publish, zenodo, project):
    zenodo.lag = 1
    zenodo.fail("POST", DEPOSITS, drop=True, after=True)
    assert publish("--yes").code == 0
    assert len(zenodo.asked("POST", DEPOSITS)) == 1
    check_one_record(zenodo, project)


def test_a_second_draft_that_an_answer_hid_is_deleted(publish, zenodo, project):
    zenodo.lag = 2
    zenodo.fail("POST", DEPOSITS, drop=True, after=True)
    assert publish("--yes").code == 0
    assert len(zenodo.asked("POST", DEPOSITS)) == 2
    check_one_record(zenodo, project)


def test_drafts_of_others_are_left_alone(publish, zenodo, project):
    from support.deposits import Deposit

    zenodo.deposits[1] = Deposit(1, 1, "ada", {"title": "Mine", "notes": "medigan-publish-"})
    zenodo.deposits[2] = Deposit(2, 2, "bob", {"title": "Bob's"})
    assert publish("--yes").code == 0
    assert {deposit.id for deposit in zenodo.drafts} == {1, 2}


# Networks and servers that don't come back.


def test_a_network_that_goes_away_in_the_middle_is_gone_on_with(publish, zenodo, project):
    zenodo.fail("PUT", f"/api/files/.*/{WEIGHTS}", drop=True, times=9)
    done = publish("--yes")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert done.err.splitlines()[-1].startswith("error: http://127.0.0.1")
    assert len(zenodo.drafts) == 1
    uploaded = len(zenodo.asked("PUT", "/api/files/.*[lz]"))  # of wheel and sdist
    zenodo._faults.clear()
    assert publish("--yes").code == 0
    assert len(zenodo.asked("PUT", "/api/files/.*[lz]")) == uploaded
    check_one_record(zenodo, project)


def test_a_server_that_is_not_there_is_one_line(capsys, project):
    done = run(capsys, project, "--server", "http://127.0.0.1:9", "--yes")
    assert done.code == 1
    assert "the server can't be reached" in done.err.splitlines()[-1]


def test_a_server_that_has_a_fault_for_good_is_one_line(publish, zenodo, waits):
    zenodo.fail("GET", DEPOSITS, status=500, times=99)
    done = publish("--yes")
    assert done.code == 1
    assert "500" in done.err.splitlines()[-1]
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_what_a_server_stores_wrongly_is_sent_again(publish, zenodo, project):
    wrong = {"key": WEIGHTS, "size": 76, "checksum": "md5:" + "0" * 32}
    zenodo.fail("PUT", f"/api/files/.*/{WEIGHTS}", status=201, value=wrong)
    assert publish("--yes").code == 0
    check_one_record(zenodo, project)


def test_a_draft_that_is_not_what_was_sent_is_not_published(publish, zenodo):
    def change() -> None:
        [draft] = zenodo.drafts
        draft.files[WEIGHTS].content = b"other"
        draft.files["virus.exe"] = draft.files["metadata.json"]
        del draft.files["metadata.json"]

    zenodo.fail("PUT", f"{DEPOSITS}/[0-9]+", act=change)
    done = publish("--yes")
    assert done.code == 1
    assert "is not what was sent, and is not published" in done.err
    assert f"{WEIGHTS} has the MD5" in done.err
    assert "it lacks metadata.json" in done.err
    assert "it has virus.exe" in done.err
    assert not zenodo.records
    assert publish("--yes").code == 0
    assert len(zenodo.records[0].files) == 4


def test_another_doi_than_was_reserved_goes_into_the_metadata_first(publish, zenodo):
    def renumber() -> None:
        right = zenodo._value
        zenodo._value = lambda deposit: json.loads(
            json.dumps(right(deposit)).replace("10.5072/", "10.5281/")
        )

    zenodo.fail("PUT", f"{DEPOSITS}/[0-9]+", act=renumber)
    done = publish("--yes")
    assert done.code == 1
    assert "10.5281/zenodo.1001 is reserved for it now" in done.err
    assert not zenodo.records
    assert publish("--yes").code == 0
    [there] = zenodo.records
    assert json.loads(there.files["metadata.json"].content)["doi"] == "10.5281/zenodo.1001"


def test_another_server_that_an_answer_names_is_sent_nothing(publish, zenodo):
    def entangle() -> None:
        right = zenodo._value
        zenodo._value = lambda deposit: json.loads(
            json.dumps(right(deposit)).replace("127.0.0.1", "localhost")
        )

    zenodo.fail("POST", DEPOSITS, act=entangle)
    done = publish("--yes")
    assert done.code == 1
    assert "another server: nothing is sent there" in done.err
    assert not zenodo.asked("PUT", "/api/files/.*")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(publish, zenodo, status):
    with Zenodo({}) as other:
        place = {"Location": f"{other.url}{DEPOSITS}"}
        zenodo.fail("GET", DEPOSITS, status=status, headers=place)
        done = publish("--yes")
        assert done.code == 1
        assert "where no token is sent" in done.err
        assert not other.requests


@pytest.mark.parametrize("value", [None, [], "words", {"id": 1}, {"metadata": {}, "id": "x"}])
def test_a_server_of_other_software_is_one_line(publish, zenodo, value):
    zenodo.fail("POST", DEPOSITS, status=201, value=value, times=9)
    done = publish("--yes")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "fault of the hub" not in done.err


# What others do meanwhile.


STEPS = [
    ("PUT", f"/api/files/.*/{WEIGHTS}"),
    ("PUT", f"{DEPOSITS}/[0-9]+"),
    ("POST", ".*/actions/publish"),
]


def test_a_draft_that_was_published_meanwhile_as_it_was_to_be_is_done(publish, zenodo, project):
    assert publish().code == 1
    [draft] = zenodo.drafts
    zenodo.publish(draft.id)
    done = publish("--yes")
    assert done.code == 0, done.err
    assert "was published meanwhile, as it was to be" in done.err
    check_one_record(zenodo, project)


@pytest.mark.parametrize(("method", "path"), STEPS[1:])
def test_a_draft_that_is_published_while_it_is_worked_on_is_done(
    publish, zenodo, project, method, path
):
    zenodo.fail(method, path, act=lambda: zenodo.publish(zenodo.drafts[0].id))
    done = publish("--yes")
    assert done.code == 0, done.err
    assert len(zenodo.records) == 1
    assert not zenodo.drafts


def test_a_draft_that_was_published_incomplete_is_said(publish, zenodo, project):
    zenodo.fail(*STEPS[0], act=lambda: zenodo.publish(zenodo.drafts[0].id))
    done = publish("--yes")
    assert done.code == 1
    assert f"it lacks {WEIGHTS}" in done.err
    assert "raise the version" in done.err
    done = publish("--yes")
    assert (done.code, "raise the version" in done.err) == (1, True)
    projects.raise_version(project)
    assert publish("--yes").code == 0
    first, second = zenodo.records
    assert first.concept == second.concept
    assert len(second.files) == 4


def test_a_draft_that_was_published_before_the_project_changed_is_said(publish, zenodo, project):
    assert publish().code == 1
    zenodo.publish(zenodo.drafts[0].id)
    projects.edit(project, title="Other noise")
    done = publish("--yes")
    assert done.code == 1
    assert "the project has changed since" in done.err
    assert len(zenodo.deposits) == 1


def test_a_draft_that_was_deleted_meanwhile_is_made_anew(publish, zenodo, project):
    assert publish().code == 1
    zenodo.deposits.clear()
    done = publish("--yes")
    assert done.code == 0, done.err
    assert "was deleted" in done.err
    check_one_record(zenodo, project)


@pytest.mark.parametrize(("method", "path"), STEPS)
def test_a_draft_that_is_deleted_while_it_is_worked_on_is_one_line(
    publish, zenodo, project, method, path
):
    zenodo.fail(method, path, act=zenodo.deposits.clear)
    done = publish("--yes")
    assert done.code == 1
    assert "was deleted on" in done.err
    assert "run this again" in done.err
    assert publish("--yes").code == 0
    check_one_record(zenodo, project)


def test_a_draft_of_another_account_is_one_line(publish, zenodo, monkeypatch):
    assert publish().code == 1
    zenodo.tokens["token-of-bob"] = "bob"
    monkeypatch.setenv("MEDIGAN_DEPOSIT_TOKEN", "token-of-bob")
    done = publish("--yes")
    assert done.code == 1
    assert "another account's" in done.err
    assert len(zenodo.deposits) == 1


# What changes here meanwhile.


def test_a_project_that_changed_since_goes_into_the_same_draft(publish, zenodo, project):
    assert publish().code == 1
    projects.edit(project, title="Other noise")
    projects.raise_version(project)
    assert publish("--yes").code == 0
    [there] = zenodo.records
    assert not zenodo.drafts
    assert there.metadata["title"] == "Other noise"
    assert len(there.files) == 4
    assert any("1.1.0" in name for name in there.files)
    assert not any("1.0.0" in name for name in there.files)


def test_files_that_are_gone_from_the_cache_are_built_again(publish, zenodo, project, own_cache):
    assert publish().code == 1
    [built] = (own_cache / "publish").glob("*/files")
    shutil.rmtree(built)
    assert publish("--yes").code == 0
    check_one_record(zenodo, project)


def test_files_that_were_damaged_in_the_cache_are_built_again(publish, zenodo, project, own_cache):
    assert publish().code == 1
    [wheel] = (own_cache / "publish").glob("*/files/*.whl")
    wheel.write_bytes(b"other")
    assert publish("--yes").code == 0
    check_one_record(zenodo, project)


def test_what_passed_the_check_is_not_checked_again(publish, monkeypatch, project):
    from medigan_hub.contribution.publishing import gate

    checks = []
    monkeypatch.setattr(gate, "check", lambda folder, **_: checks.append(folder))
    assert publish().code == 1
    assert publish().code == 1
    assert len(checks) == 1
    (project / "README.md").write_text("# Other words\n")
    assert publish("--yes").code == 0
    assert len(checks) == 2


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"version": 2, "servers": {}}', '{"version": 1, "servers": []}']
)
def test_a_damaged_state_is_one_line(publish, zenodo, project, content):
    (project / STATE).write_text(content)
    done = publish("--yes")
    assert done.code == 1
    assert done.err.startswith(f"error: {project / STATE} is damaged")
    assert not zenodo.requests


def test_the_state_is_for_the_user_alone(publish, project):
    assert publish().code == 1
    assert (project / STATE).stat().st_mode & 0o777 == 0o600


def test_another_process_at_it_is_one_line(publish, zenodo, project, own_cache):
    from medigan_hub.locks import locked

    assert publish().code == 1
    [lock] = (own_cache / "publish").glob("*.lock")
    count = len(zenodo.requests)
    with locked(lock):
        done = publish("--yes")
    assert (done.code, "another process is publishing" in done.err) == (1, True)
    assert len(zenodo.requests) == count
