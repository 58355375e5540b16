from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from urllib.request import urlopen

import pytest

from medigan_hub.contribution import building
from medigan_hub.contribution.publishing import gate, record, servers, steps
from medigan_hub.errors import MetadataError, PluginError
from medigan_hub.metadata import ModelMetadata
from support import projects
from support.agents import PAGE
from support.publishing import TOKEN, build_here, run, start

PACKAGE = projects.PACKAGE
WHEEL = f"{PACKAGE}-1.0.0-py3-none-any.whl"
SDIST = f"{PACKAGE}-1.0.0.tar.gz"
WEIGHTS = "generator.safetensors"
STATE = ".medigan-publish.json"


@pytest.fixture
def published(publish, zenodo):
    """The only record, of the project as it is."""
    done = publish("--yes", "--json")
    assert done.code == 0, done.err
    return done.json


# What is in the record.


def test_a_package_becomes_one_record(published, zenodo, project):
    [there] = zenodo.records
    assert not zenodo.drafts
    assert set(there.files) == {WHEEL, SDIST, WEIGHTS, "metadata.json"}
    assert there.files[WEIGHTS].content == (project / PACKAGE / "weights" / WEIGHTS).read_bytes()
    for name, digests in published["files"].items():
        content = urlopen(f"{zenodo.url}/records/{there.id}/files/{name}").read()  # noqa: S310
        assert hashlib.sha256(content).hexdigest() == digests["sha256"]
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == digests["md5"]
        assert len(content) == digests["size"]


def test_the_uploaded_metadata_hold_the_reserved_doi(published, zenodo, project):
    [there] = zenodo.records
    uploaded = json.loads(there.files["metadata.json"].content)
    own = json.loads((project / PACKAGE / "metadata.json").read_text())
    assert uploaded == own | {"doi": published["doi"]} == own | {"doi": "10.5072/zenodo.1001"}
    # Only a DOI that leads somewhere goes into the project itself.
    assert "doi" not in own


def test_the_record_says_what_the_document_says(publish, zenodo, project):
    projects.edit(
        project,
        title="Noise <b>& more</b>",
        licence="Apache-2.0",
        tags=["Noise", "mammography"],
        limitations=["It is <noise>."],
        publications=[{"doi": "10.1000/toy"}, {"url": "https://example.org/toy"}, {"title": "T"}],
        training_data=[
            {"name": "BCDR", "access": "public", "doi": "10.1000/bcdr"},
            {"name": "other", "access": "restricted", "url": "https://example.org/data"},
        ],
    )
    assert publish("--yes").code == 0
    [there] = zenodo.records
    said = there.metadata
    assert said["title"] == "Noise <b>& more</b>"
    assert said["upload_type"] == "software"
    assert said["version"] == "1.0.0"
    assert said["license"] == "apache-2.0"
    assert said["creators"] == [
        {
            "name": "Example, Ada",
            "affiliation": "Example University",
            "orcid": "0000-0002-1825-0097",
        }
    ]
    assert said["keywords"].count("mammography") == 1
    assert {"Noise", "breast", "synthetic data"} <= set(said["keywords"])
    assert said["related_identifiers"] == [
        {"identifier": "10.1000/toy", "relation": "cites"},
        {"identifier": "https://example.org/toy", "relation": "cites"},
        {"identifier": "10.1000/bcdr", "relation": "isDerivedFrom"},
        {"identifier": "https://example.org/data", "relation": "isDerivedFrom"},
    ]
    assert "<li>It is &lt;noise&gt;.</li>" in said["description"]
    assert "synthetic images" in said["description"]
    assert "medigan-publish-" not in json.dumps(said)


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("Ada Lovelace", {}, "Lovelace, Ada"),
        ("Lovelace, Ada", {}, "Lovelace, Ada"),
        ("Ada King Lovelace", {}, "Lovelace, Ada King"),
        ("Ludwig van Beethoven", {}, "van Beethoven, Ludwig"),
        ("Maria de la Cruz", {}, "de la Cruz, Maria"),
        ("Van Beethoven", {}, "Beethoven, Van"),
        ("Aristoteles", {}, "Aristoteles,"),
        ("medigan-hub contributors", {}, "medigan-hub contributors,"),
        ("Institute of Noise", {}, "Institute of Noise,"),
        ("Anna Lab", {"orcid": "0000-0002-1825-0097"}, "Lab, Anna"),
    ],
)
def test_creators_have_the_family_name_first(name, more, expected):
    assert record.creator({"name": name, **more}) == {"name": expected, **more}


def test_every_document_of_the_catalogue_can_be_described():
    from medigan_hub.catalogue import Catalogue

    models = [entry.metadata for entry in Catalogue().entries()]
    fit = [model for model in models if model.document["authors"] and model.licence]
    assert len(fit) >= 4
    for model in fit:
        made = record.describe(model, published=record.date(2026, 1, 2))
        assert made["publication_date"] == "2026-01-02"
        assert all("," in creator["name"] for creator in made["creators"])
    for model in (model for model in models if model not in fit):
        with pytest.raises(MetadataError):
            record.describe(model, published=record.date(2026, 1, 2))


def test_reference_samples_are_shown_on_the_page(publish, zenodo, project):
    from PIL import Image

    folder = project / PACKAGE / "reference" / "image"
    folder.mkdir(parents=True)
    for i in range(6):
        Image.new("L", (6, 8), i).save(folder / f"{i:06d}.png")
    assert publish("--yes").code == 0
    [there] = zenodo.records
    pictures = [name for name in there.files if name.endswith(".png")]
    assert pictures == [f"reference-image-{i:06d}.png" for i in range(4)]
    assert there.files[pictures[1]].content == (folder / "000001.png").read_bytes()


# What is shown, and asked.


def test_a_dry_run_sends_nothing(publish, zenodo, project, monkeypatch):
    monkeypatch.delenv("MEDIGAN_DEPOSIT_TOKEN")
    before = sorted(project.rglob("*"))
    done = publish("--dry-run")
    assert done.code == 0, done.err
    assert not zenodo.requests
    assert sorted(project.rglob("*")) == before
    for shown in (zenodo.url, "Noise about a level", "Example, Ada", WHEEL, SDIST, WEIGHTS, "mit"):
        assert shown in done.out
    assert "nothing was sent" in done.out


def test_a_dry_run_needs_no_network(publish, monkeypatch):
    monkeypatch.setenv("MEDIGAN_OFFLINE", "1")
    done = publish("--dry-run", "--json")
    assert done.json["files"][WEIGHTS] == 76
    assert done.json["published"] is False


def test_without_a_network_nothing_begins(publish, zenodo, monkeypatch, project):
    monkeypatch.setenv("MEDIGAN_OFFLINE", "1")
    done = publish("--yes")
    assert (done.code, zenodo.requests) == (1, [])
    assert "MEDIGAN_OFFLINE forbids the network" in done.err
    assert not (project / STATE).exists()


def test_nothing_is_published_that_was_not_confirmed(publish, zenodo):
    done = publish()
    assert done.code == 1
    [draft] = zenodo.drafts
    assert f"the draft is kept, with its files, at {zenodo.url}/deposit/{draft.id}" in done.err
    assert "--yes" in done.err
    assert set(draft.files) == {WHEEL, SDIST, WEIGHTS, "metadata.json"}
    assert not zenodo.asked("POST", ".*/publish")
    # The same draft then.
    assert publish("--yes").code == 0
    assert [record.id for record in zenodo.records] == [draft.id]
    assert len(zenodo.asked("PUT", "/api/files/.*")) == 4


@pytest.mark.parametrize(("typed", "count"), [("toy-levels", 1), ("yes", 0), ("", 0)])
def test_the_name_is_typed_to_publish(publish, zenodo, monkeypatch, typed, count):
    monkeypatch.setattr(sys, "stdin", _Terminal())
    monkeypatch.setattr("typer.prompt", lambda *_, **__: typed)
    done = publish()
    assert len(zenodo.records) == count
    assert done.code == (0 if count else 1)
    if not count:
        assert "nothing is published" in done.err
        assert len(zenodo.drafts) == 1


class _Terminal:
    def isatty(self) -> bool:
        return True


def test_with_json_standard_output_holds_the_result_alone(published, zenodo, project):
    [there] = zenodo.records
    assert published["doi"] == f"10.5072/zenodo.{there.id}"
    assert published["record"] == f"{zenodo.url}/record/{there.id}"
    entry = project / "dist" / "toy-levels.json"
    assert published["catalogue_entry"] == str(entry)
    assert entry.read_bytes() == there.files["metadata.json"].content


def test_the_entry_goes_where_it_is_wanted(publish, tmp_path):
    target = tmp_path / "catalogue" / "toy.json"
    assert publish("--yes", "--catalogue-entry", target).code == 0
    assert json.loads(target.read_text())["doi"] == "10.5072/zenodo.1001"


# What is not fit to be published.


def test_a_package_that_fails_the_check_is_not_published(publish, zenodo, project, monkeypatch):
    def fail(project, **_):
        raise PluginError("toy-levels fails")

    monkeypatch.setattr(gate, "check", fail)
    done = publish("--yes")
    assert (done.code, done.err) == (1, "error: toy-levels fails\n")
    assert not zenodo.asked("PUT", ".*")
    assert not zenodo.records


def test_the_gate_is_that_of_the_command_check(project, monkeypatch, tmp_path):
    monkeypatch.undo()
    (project / "LICENSE").unlink()
    with pytest.raises(PluginError, match=r"does not pass the check.*medigan check"):
        gate.check(project, detached=False, allow_archive_code=False, say=lambda _: None)


def test_only_detached_weights_may_be_too_large_for_a_wheel(project, monkeypatch):
    from medigan_hub.contribution import checking
    from medigan_hub.contribution.checking import static

    assert gate.SIZE in {name for name, *_ in static.CHECKS}
    finding = checking.Finding(gate.SIZE, "failed", "the wheel has 200 MiB", "leave them out")
    monkeypatch.setattr(
        checking, "check", lambda *_, **__: checking.Report("x", "toy", (finding,), 0.0)
    )
    monkeypatch.setattr(gate, "check", _gate)
    how = {"allow_archive_code": False, "say": lambda _: None}
    gate.check(project, detached=True, **how)
    with pytest.raises(PluginError, match="200 MiB"):
        gate.check(project, detached=False, **how)


_gate = gate.check


def test_weights_that_changed_after_they_were_hashed_are_refused(publish, zenodo, project):
    path = project / PACKAGE / "weights" / WEIGHTS
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    done = publish("--yes")
    assert done.code == 1
    assert str(path) in done.err
    assert "changed after it was hashed" in done.err
    assert not zenodo.requests


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"licence": None}, "states no licence"),
        ({"authors": []}, "names no authors"),
        ({"title": "", "organ": []}, "title"),
        ({"plugin": "medigan-model-other"}, "make them agree"),
        ({"version": "1.0.1"}, "make them agree"),
    ],
)
def test_a_document_that_makes_no_record_is_refused(publish, zenodo, project, changes, words):
    path = project / PACKAGE / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    done = publish("--yes")
    assert done.code == 1
    assert words in done.err
    assert done.err.count("\n") == 1
    assert not zenodo.records


def test_a_wheel_without_its_weights_is_refused(publish, zenodo, project):
    with (project / "pyproject.toml").open("a") as stream:
        stream.write('\n[tool.hatch.build.targets.wheel]\nexclude = ["*.safetensors"]\n')
        stream.write(f'packages = ["{PACKAGE}"]\n')
    done = publish("--yes")
    assert done.code == 1
    assert f"the wheel lacks {PACKAGE}/weights/{WEIGHTS}" in done.err
    assert not zenodo.records


def test_what_is_no_project_is_refused(capsys, waits, tmp_path):
    done = run(capsys, tmp_path, "--yes")
    assert (done.code, "has no pyproject.toml" in done.err) == (1, True)
    (tmp_path / "pyproject.toml").touch()
    done = run(capsys, tmp_path, "--yes")
    assert (done.code, "has none" in done.err) == (1, True)


def test_a_document_that_zenodo_does_not_take_is_said_by_field(publish, zenodo, project):
    projects.edit(project, licence="Nonsense-1.0")
    done = publish("--yes")
    assert done.code == 1
    assert "metadata.license: Not a valid choice." in done.err
    assert not zenodo.deposits


# Tokens and servers.


def test_the_sandbox_is_the_default_and_production_explicit():
    assert servers.chosen(production=False, url=None).base == "https://sandbox.zenodo.org"
    assert servers.chosen(production=True, url=None).base == "https://zenodo.org"


@pytest.mark.parametrize(
    "url",
    [
        "http://zenodo.example.org",
        "ftp://127.0.0.1",
        "https://user:password@zenodo.example.org",
        "https://zenodo.example.org/?token=x",
        "zenodo.example.org",
        "https://",
        "http://127.0.0.1.example.org",
        "https://zenodo.example.org:99999",
        "https://zenodo.org",
    ],
)
def test_a_token_goes_to_no_server_that_could_be_listened_to(capsys, project, url):
    done = run(capsys, project, "--server", url, "--yes")
    assert done.code == 1
    assert done.err.startswith("error: --server is ")
    assert "password" not in done.err
    assert "token=x" not in done.err


def test_production_and_another_server_exclude_each_other(publish):
    assert "not both" in publish("--production", "--yes").err


def test_without_a_token_the_remedy_is_said(publish, zenodo, monkeypatch):
    monkeypatch.delenv("MEDIGAN_DEPOSIT_TOKEN")
    done = publish("--yes")
    assert done.code == 1
    assert "set MEDIGAN_DEPOSIT_TOKEN" in done.err
    assert f"keyring set medigan-hub {zenodo.url}" in done.err
    assert not zenodo.requests


def test_a_token_comes_from_the_keyring(publish, zenodo, monkeypatch):
    import keyring

    asked = []
    monkeypatch.delenv("MEDIGAN_DEPOSIT_TOKEN")
    monkeypatch.setattr(keyring, "get_password", lambda *who: asked.append(who) or TOKEN)
    assert publish("--yes").code == 0
    assert asked == [("medigan-hub", zenodo.url)]


def test_a_token_comes_from_a_prompt(publish, monkeypatch):
    import keyring

    def fail(*_):
        raise RuntimeError("no keyring here")

    prompts = []
    monkeypatch.delenv("MEDIGAN_DEPOSIT_TOKEN")
    monkeypatch.setattr(keyring, "get_password", fail)
    monkeypatch.setattr(sys, "stdin", _Terminal())
    monkeypatch.setattr("typer.prompt", lambda words, **how: prompts.append(how) or TOKEN)
    assert publish("--yes").code == 0
    assert [how["hide_input"] for how in prompts] == [True]


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "naïve", "x"])
def test_what_can_be_no_token_is_not_sent(publish, zenodo, monkeypatch, token):
    monkeypatch.setenv("MEDIGAN_DEPOSIT_TOKEN", token)
    done = publish("--yes")
    assert done.code == 1
    assert "can't be a token" in done.err
    assert token not in done.err.replace("next", "")
    assert not zenodo.requests


def test_a_wrong_token_is_said_before_anything_is_done(publish, zenodo, monkeypatch, project):
    monkeypatch.setenv("MEDIGAN_DEPOSIT_TOKEN", "expired-0123456789")
    done = publish("--yes")
    assert done.code == 1
    assert "401" in done.err
    assert "MEDIGAN_DEPOSIT_TOKEN is wrong or has expired" in done.err
    assert "expired-0123456789" not in done.err  # which the server repeats
    assert len(zenodo.requests) == 1
    assert not (project / STATE).exists()


def test_a_page_for_browsers_is_not_blamed_on_the_token(publish, zenodo):
    zenodo.fail("GET", "/api/deposit/depositions", status=403, value=PAGE)
    done = publish("--yes")
    assert done.code == 1
    assert "403 Forbidden: it shows a page to programs, and no answer; try again later" in done.err
    assert "scope" not in done.err


def test_a_token_without_the_right_to_publish_keeps_the_draft(publish, zenodo):
    zenodo.scopes[TOKEN] = frozenset({"deposit:write"})
    done = publish("--yes")
    assert done.code == 1
    assert "403" in done.err
    assert "deposit:actions" in done.err
    zenodo.scopes.clear()
    assert publish("--yes").code == 0
    assert (len(zenodo.records), len(zenodo.drafts)) == (1, 0)


def test_builds_and_checks_are_not_given_the_token(publish, monkeypatch):
    seen = []

    def check(project, **_):
        seen.append(dict(os.environ))

    def build(project, output):
        seen.append(dict(os.environ))
        return build_here(project, output)

    monkeypatch.setattr(gate, "check", check)
    monkeypatch.setattr(building, "build", build)
    monkeypatch.setenv("GITHUB_TOKEN", "ghp-of-another-use")
    assert publish("--yes").code == 0
    assert len(seen) == 2
    assert not any({"MEDIGAN_DEPOSIT_TOKEN", "GITHUB_TOKEN"} & set(each) for each in seen)
    assert os.environ["MEDIGAN_DEPOSIT_TOKEN"] == TOKEN


# New versions.


@pytest.mark.parametrize("former", [False, True])
def test_a_new_version_becomes_a_version_of_its_record(published, publish, zenodo, project, former):
    zenodo.former = former
    projects.raise_version(project, "1.1.0")
    done = publish("--yes", "--json")
    assert done.code == 0, done.err
    first, second = zenodo.records
    assert first.concept == second.concept
    assert not zenodo.drafts
    assert set(second.files) == {
        name.replace("1.0.0", "1.1.0") for name in (WHEEL, SDIST, WEIGHTS, "metadata.json")
    }
    assert second.metadata["version"] == "1.1.0"
    assert json.loads(second.files["metadata.json"].content)["doi"] == done.json["doi"]
    assert set(first.files) == {WHEEL, SDIST, WEIGHTS, "metadata.json"}
    # Weights that stay the same are carried over and not sent again.
    assert len(zenodo.asked("PUT", f"/api/files/.*/{WEIGHTS}")) == 1


@pytest.mark.parametrize("former", [False, True])
def test_an_open_new_version_is_gone_on_with(published, publish, zenodo, project, former):
    zenodo.former = former
    [first] = zenodo.records
    zenodo._new_version(first)  # in a browser
    projects.raise_version(project, "1.1.0")
    assert publish("--yes").code == 0
    assert (len(zenodo.records), len(zenodo.drafts)) == (2, 0)


def test_another_model_in_the_folder_is_a_record_of_its_own(published, publish, zenodo, project):
    projects.edit(project, name="toy-others")
    projects.change(project, "pyproject.toml", ("toy-levels =", "toy-others ="))
    assert publish("--yes").code == 0
    first, second = zenodo.records
    assert first.concept != second.concept


def test_the_plan_names_the_record_that_is_replaced(published, publish, project):
    projects.raise_version(project, "1.1.0")
    assert f"new_version_of  {published['doi']}" in publish().out.replace("   ", "  ")
    assert publish("--dry-run", "--json").json["new_version_of"] == published["doi"]


def test_the_same_version_is_not_published_twice(published, publish, zenodo, project):
    projects.edit(project, title="Other noise")
    done = publish("--yes")
    assert done.code == 1
    assert f"1.0.0 is published already, as {published['doi']}" in done.err
    assert "raise the version" in done.err
    assert len(zenodo.deposits) == 1


def test_what_is_published_as_it_is_stays(published, publish, zenodo, project):
    (project / "dist" / "toy-levels.json").unlink()
    count = len(zenodo.requests)
    done = publish("--yes", "--json")
    assert (done.code, done.json) == (0, published)
    assert len(zenodo.requests) == count
    assert (project / "dist" / "toy-levels.json").is_file()


def test_production_writes_the_doi_into_the_project(
    published, publish, zenodo, project, monkeypatch
):
    # The record that is there becomes one of production, of which nothing but the DOI is known.
    monkeypatch.setattr(steps, "PRODUCTION", servers.chosen(production=False, url=zenodo.url))
    (project / STATE).unlink()
    projects.edit(project, doi=published["doi"])
    done = publish("--yes")
    assert (done.code, "is published already" in done.err) == (1, True)
    projects.raise_version(project, "1.1.0")
    assert publish("--yes").code == 0
    first, second = zenodo.records
    assert first.concept == second.concept
    text = (project / PACKAGE / "metadata.json").read_text()
    assert text == second.files["metadata.json"].content.decode()
    assert json.loads(text)["doi"] == f"10.5072/zenodo.{second.id}"
    # Of the DOI alone, nothing is new.
    assert publish("--yes").code == 0
    assert len(zenodo.deposits) == 2


def test_a_doi_of_a_record_that_is_gone_is_said(publish, zenodo, project, monkeypatch):
    monkeypatch.setattr(steps, "PRODUCTION", servers.chosen(production=False, url=zenodo.url))
    projects.edit(project, doi="10.5281/zenodo.77")
    done = publish("--yes")
    assert done.code == 1
    assert "remove doi from metadata.json" in done.err
    assert not zenodo.deposits


# The published package.


@pytest.mark.parametrize("detached", [False, True])
def test_the_published_package_generates(publish, zenodo, tmp_path, project, detached):
    assert publish("--yes", *(["--detach-weights"] if detached else [])).code == 0
    [there] = zenodo.records
    wheel = tmp_path / WHEEL
    wheel.write_bytes(there.files[WHEEL].content)
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, str(site), str(wheel)], check=True, capture_output=True)
    assert (site / PACKAGE / "weights" / WEIGHTS).exists() is not detached
    before = len(zenodo.requests)
    made = subprocess.run(
        [
            *(sys.executable, "-m", "medigan_hub", "generate", projects.NAME, "-n", "2"),
            *("--seed", "7", "-o", str(tmp_path / "out")),
        ],
        env={**os.environ, "PYTHONPATH": str(site), "MEDIGAN_CACHE": str(tmp_path / "fresh")},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    assert len(list((tmp_path / "out").rglob("*.png"))) == 2
    downloads = [request.path for request in zenodo.requests[before:]]
    assert downloads == ([f"/records/{there.id}/files/{WEIGHTS}"] if detached else [])


def test_detached_weights_are_named_by_the_record(publish, zenodo, project):
    assert publish("--yes", "--detach-weights").code == 0
    [there] = zenodo.records
    content = there.files[WEIGHTS].content
    weights = json.loads(there.files["metadata.json"].content)["weights"]
    file = {
        "role": "network",
        "file": WEIGHTS,
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": there.files[WEIGHTS].md5,
        "record": str(there.id),
        "url": f"{zenodo.url}/records/{there.id}/files/{WEIGHTS}",
    }
    assert weights == [{"runtime": "numpy", "format": "safetensors", "files": [file]}]
    assert (project / PACKAGE / "weights" / WEIGHTS).is_file()


def test_weights_elsewhere_are_not_detached(publish, zenodo, project):
    file = {"role": "network", "url": "https://zenodo.org/records/1/files/weights.pt"}
    weights = {"runtime": "numpy", "format": "pytorch", "files": [file]}
    projects.edit(project, weights=[weights])
    done = publish("--yes", "--detach-weights")
    assert done.code == 1
    assert "are not in the package" in done.err
    assert publish("--yes").code == 0
    assert set(zenodo.records[0].files) == {WHEEL, SDIST, "metadata.json"}


# What a start costs, and leaves.


def test_the_command_line_starts_without_what_only_publishing_needs():
    code = (
        "import sys, medigan_hub, medigan_hub.cli\n"
        "assert not {'zenodo_client', 'keyring', 'requests', 'pystow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_is_left_in_the_users_home(project, zenodo, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    process = start(project, "--server", zenodo.url, "--yes", HOME=str(home))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert list(home.rglob("*")) == []


def test_no_progress_is_shown_in_a_pipe(project, zenodo):
    process = start(project, "--server", zenodo.url, "--yes")
    out, err = process.communicate(timeout=60)
    assert "\x1b" not in out + err
    assert err == ""


def test_a_model_without_publications_is_cited_by_its_doi(document):
    from medigan_hub.citation import bibtex

    text = bibtex(ModelMetadata.from_document(document | {"doi": "10.5281/zenodo.1"}))
    assert "doi = {10.5281/zenodo.1}" in text
    assert "url = {https://doi.org/10.5281/zenodo.1}" in text


def test_waits_are_those_that_the_server_asks_for(publish, zenodo, waits):
    zenodo.fail("POST", "/api/deposit/depositions", status=429, headers={"Retry-After": "7"})
    zenodo.fail("PUT", "/api/files/.*", status=503)
    assert publish("--yes").code == 0
    # The list, too, has its time to show a draft that an answer may have hidden.
    assert waits == [7.0, 2.0, 1.0]
    assert len(zenodo.records) == 1
