"""The commands ``medigan weights ...``, with a server on loopback."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from medigan_hub import Hub, web
from medigan_hub.cli import main
from medigan_hub.evaluation.extractors.inception import Inception
from support import stand_ins
from support.zenodo import Fault, Zenodo

MODELS = ("dcgan-mmg-mass-roi-bcdr", "cyclegan-mmg-density-bcdr")


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(web, "pause", lambda seconds: None)
    hub = Hub()
    with Zenodo() as zenodo:
        monkeypatch.setenv("MEDIGAN_ZENODO_URL", zenodo.url)
        for name in MODELS:
            document = hub.model(name).metadata.document
            path = stand_ins.build(document, tmp_path)
            zenodo.add(document["weights"][0]["files"][0]["record"], path.name, path.read_bytes())
        yield zenodo


@pytest.fixture
def medigan(capsys, server):
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["weights", *arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def states(medigan):
    found = json.loads(medigan("list", "--json")[1])
    return {entry["model"]: entry["state"] for entry in found}


def test_weights_are_fetched_listed_verified_and_cleared(medigan, server, tmp_path):
    assert states(medigan)["cyclegan-dbt"] == "bundled"
    assert states(medigan)[MODELS[0]] == "absent"
    code, out, err = medigan("fetch", "5", "--json")
    assert (code, err) == (0, "")
    assert len(json.loads(out)[0]["sha256"]) == 64
    assert states(medigan)[MODELS[0]] == "cached"
    assert medigan("verify")[0] == 0
    (path,) = (tmp_path / "cache").rglob("00005*.zip")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    code, _, err = medigan("verify", "5")
    assert code == 1
    assert "medigan weights fetch dcgan-mmg-mass-roi-bcdr" in err
    assert medigan("clear", "5")[0] == 0
    assert states(medigan)[MODELS[0]] == "absent"
    assert not path.exists()


def test_one_that_fails_does_not_stop_the_others(medigan, server):
    server.fail("/api/records/7031758", Fault(status=404))
    code, out, err = medigan("fetch", *MODELS)
    assert code == 1
    assert MODELS[1] in out
    assert MODELS[0] in err
    assert states(medigan)[MODELS[1]] == "cached"


def test_weights_are_carried_to_a_machine_without_a_network(medigan, tmp_path, monkeypatch):
    carried = tmp_path / "carried"
    assert medigan("fetch", *MODELS)[0] == 0
    assert medigan("export", str(carried))[0] == 0
    monkeypatch.setenv("MEDIGAN_OFFLINE", "1")
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "other"))
    code, _, err = medigan("fetch", "5")
    assert code == 1
    assert "medigan weights import DIR" in err
    assert medigan("import", str(carried))[0] == 0
    assert [states(medigan)[name] for name in MODELS] == ["cached", "cached"]
    assert medigan("fetch", *MODELS)[0] == 0


@pytest.mark.parametrize("damage", ["content", "manifest", "link"])
def test_what_was_carried_and_changed_is_refused(medigan, tmp_path, monkeypatch, damage):
    carried = tmp_path / "carried"
    medigan("fetch", "5")
    medigan("export", str(carried))
    (path,) = carried.rglob("*.zip")
    (manifest,) = carried.glob("*.json")
    if damage == "content":
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    elif damage == "manifest":
        manifest.write_text(manifest.read_text().replace(path.name, f"../../{path.name}"))
    else:
        path.rename(tmp_path / "elsewhere.zip")
        path.symlink_to(tmp_path / "elsewhere.zip")
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "other"))
    code, _, err = medigan("import", str(carried))
    assert code == 1
    assert err.startswith("error: ")
    assert states(medigan)[MODELS[0]] == "absent"
    assert not list((tmp_path / "other").rglob("*.zip"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("fetch",), 1, "--all"),
        (("fetch", "no-such-model"), 1, "there is no model"),
        (("export", "carried"), 1, "no weights are in the cache"),
        (("import", "nothing"), 1, "holds no weights to import"),
        (("import", "."), 1, "holds no weights to import"),
        (("import", "5"), 1, "medigan weights import MODEL FILE"),
        (("import", ".", "--checksum", "md5:0"), 1, "--checksum is that of a file"),
        (("import", "5", "x.zip", "--checksum", "md5:0"), 1, "--checksum is 'md5:0'; it must be"),
        (("import", "no-such-model", "x.zip"), 1, "there is no model"),
        (("fly",), 2, "fly"),
    ],
)
def test_bad_input_is_one_line(medigan, arguments, code, message):
    found, _, err = medigan(*arguments)
    assert found == code
    assert message in err
    assert err.count("\n") == 1


def replace_content(server, content=b"another"):
    """Publish another file under the name of model 5's."""
    server.add("7031758", "00005_DCGAN_MMG_MASS_ROI.zip", content)


def test_what_was_pinned_is_kept_until_it_is_forgotten(medigan, server):
    medigan("fetch", "5")
    replace_content(server)
    assert medigan("clear", "--all")[0] == 0
    code, _, err = medigan("fetch", "5")
    assert code == 1
    assert "medigan weights clear dcgan-mmg-mass-roi-bcdr --pins" in err
    assert medigan("clear", "5", "--pins")[0] == 0
    assert medigan("fetch", "5")[0] == 0


def test_what_was_carried_may_not_contradict_a_pin(medigan, server, tmp_path, monkeypatch):
    medigan("fetch", "5")
    assert medigan("export", str(tmp_path / "carried"), "5")[0] == 0
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "other"))
    replace_content(server)
    medigan("fetch", "5")
    medigan("clear", "5")
    code, _, err = medigan("import", str(tmp_path / "carried"))
    assert code == 1
    assert "forget the pin" in err
    assert states(medigan)[MODELS[0]] == "absent"


def md5(path):
    return f"md5:{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}"


def test_a_file_from_a_browser_is_imported_as_if_it_had_been_downloaded(medigan, server, tmp_path):
    (saved,) = tmp_path.glob("00005*.zip")
    code, _, err = medigan("import", "5", str(saved))
    assert code == 1
    assert "/records/7031758 lists beside the file: --checksum md5:DIGITS" in err
    code, out, _ = medigan("import", "5", str(saved), "--checksum", md5(saved), "--json")
    assert code == 0
    (found,) = json.loads(out)
    assert (found["model"], found["state"]) == (MODELS[0], "cached")
    assert states(medigan)[MODELS[0]] == "cached"
    assert medigan("verify", "5")[0] == medigan("fetch", "5")[0] == 0
    assert server.requests == []
    # From now on the pin says what it must be.
    assert medigan("clear", "5")[0] == medigan("import", "5", str(saved))[0] == 0


def test_a_file_of_another_model_is_not_imported(medigan, tmp_path):
    (mine,), (other,) = tmp_path.glob("00005*.zip"), tmp_path.glob("00003*.zip")
    assert medigan("import", "3", str(other), "--checksum", md5(other))[0] == 0
    copy = tmp_path / mine.name.replace("00005", "5")
    copy.write_bytes(other.read_bytes())
    code, _, err = medigan("import", "5", str(copy), "--checksum", md5(other))
    assert code == 1
    assert f"medigan weights import {MODELS[1]}" in err
    assert err.count("\n") == 1
    assert states(medigan)[MODELS[0]] == "absent"


def test_a_folder_of_weights_is_added_to(medigan, tmp_path, monkeypatch):
    medigan("fetch", *MODELS)
    for model in MODELS:
        assert medigan("export", str(tmp_path / "carried"), model)[0] == 0
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "other"))
    found = json.loads(medigan("import", str(tmp_path / "carried"), "--json")[1])
    assert {entry["model"]: entry["state"] for entry in found} == dict.fromkeys(MODELS, "cached")


def test_clearing_all_removes_also_what_is_of_no_known_model(medigan, tmp_path):
    medigan("fetch", "5")
    (tmp_path / "cache" / "weights" / "zenodo-1").mkdir()
    (tmp_path / "cache" / "weights" / "zenodo-1" / "old.zip").write_bytes(b"old")
    assert medigan("clear", "--all")[0] == 0
    assert not list((tmp_path / "cache" / "weights").rglob("*.zip"))
    assert (tmp_path / "cache" / "weights" / "pins.json").is_file()


def test_the_list_is_readable(medigan):
    medigan("fetch", "5")
    (line,) = [line for line in medigan("list")[1].splitlines() if line.startswith(MODELS[0])]
    assert "cached" in line
    assert "https://zenodo.org/records/7031758/files/00005_DCGAN_MMG_MASS_ROI.zip" in line


def test_weights_of_an_extractor_are_kept_as_those_of_models(
    medigan, server, monkeypatch, tmp_path
):
    server.add("1", "inception.pth", b"tensors")
    file = replace(
        Inception.published.main_file,
        url=f"{server.url}/records/1/files/inception.pth",
        file="inception.pth",
        sha256=hashlib.sha256(b"tensors").hexdigest(),
    )
    monkeypatch.setattr(Inception, "published", replace(Inception.published, main_file=file))
    assert states(medigan)["inception"] == "absent"
    assert medigan("fetch", "inception")[0] == 0
    assert states(medigan)["inception"] == "cached"
    assert "inception: as it must be" in medigan("verify", "inception")[1]
    assert medigan("export", str(tmp_path / "carried"))[0] == 0
    assert medigan("clear", "inception")[0] == 0
    assert medigan("import", str(tmp_path / "carried"))[0] == 0
    assert states(medigan)["inception"] == "cached"
