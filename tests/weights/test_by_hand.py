"""Files of weights that were downloaded in a browser, taken into the cache."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

import medigan_hub
from medigan_hub import OutputError, RequestError, WeightsError, weights
from medigan_hub.metadata import ModelMetadata
from medigan_hub.weights import by_hand
from support import zips
from support.agents import PAGE
from support.variants import with_file
from support.zenodo import Fault, Zenodo

RECORD, NAME = "7031758", "00005_DCGAN_MMG_MASS_ROI.zip"
FILE, API = f"/records/{RECORD}/files/{NAME}", f"/api/records/{RECORD}"
CATALOGUE = Path(medigan_hub.__file__).parent / "catalogue"
CONTENT = b"PK\x03\x04 as published" + bytes(2000)


def metadata(name):
    return ModelMetadata.from_document(json.loads((CATALOGUE / f"{name}.json").read_text()))


@pytest.fixture
def model():
    """A published model, of whose file the metadata knows no checksum."""
    return metadata("dcgan-mmg-mass-roi-bcdr")


@pytest.fixture
def neighbour():
    return metadata("cyclegan-mmg-density-bcdr")


@pytest.fixture(autouse=True)
def server(monkeypatch):
    """Zenodo, which nothing here may ask unless it fetches."""
    with Zenodo() as zenodo:
        monkeypatch.setenv("MEDIGAN_ZENODO_URL", zenodo.url)
        zenodo.add(RECORD, NAME, CONTENT)
        yield zenodo


@pytest.fixture
def saved(tmp_path):
    """Return a function that saves a file as a browser does."""

    def save(content=CONTENT, name="00005_DCGAN_MMG_MASS_ROI (1).zip"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return save


def digest(algorithm, content=CONTENT):
    return hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()


def stated(algorithm, content=CONTENT):
    return f"{algorithm}:{digest(algorithm, content)}"


def files(cache):
    """Return what a download leaves in the cache, and what is pinned, but for times."""
    folder = cache / "weights"
    pins = json.loads((folder / "pins.json").read_text())["files"]
    for pin in pins.values():
        assert pin.pop("modified") > 0
    names = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".lock", ".json")
    }
    return names, pins


def nothing_kept(cache):
    """Tell whether the cache has neither a file, nor a part of one, nor a pin."""
    found = [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return found == []


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_in_the_cache_it_is_as_if_it_had_been_downloaded(
    model, server, saved, own_cache, tmp_path, monkeypatch, algorithm
):
    found = by_hand.take(model, saved(), stated(algorithm).upper())
    assert found.path.read_bytes() == CONTENT
    assert server.requests == []
    assert weights.fetch(model) == found
    assert server.requests == []
    taken = files(own_cache)
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "other"))
    assert weights.fetch(model).sha256 == found.sha256
    assert files(tmp_path / "other") == taken


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_the_metadata_says_what_it_must_be(model, saved, own_cache, algorithm):
    known = with_file(model, **{algorithm: digest(algorithm)})
    wrong = saved(b"another")
    with pytest.raises(WeightsError) as caught:
        by_hand.take(known, wrong)
    for words in (str(wrong), digest(algorithm), digest(algorithm, b"another"), NAME):
        assert words in str(caught.value)
    # Not even where the caller says that it is right.
    with pytest.raises(WeightsError, match="and must be"):
        by_hand.take(known, wrong, stated("md5", b"another"))
    assert nothing_kept(own_cache)
    assert by_hand.take(known, saved()).path.read_bytes() == CONTENT


def test_a_pin_says_what_it_must_be(model, saved):
    path = weights.fetch(model).path
    path.unlink()
    with pytest.raises(WeightsError, match=r"and must be .* forget the pin: .*weights clear dcgan"):
        by_hand.take(model, saved(b"another"), stated("md5", b"another"))
    assert not path.exists()
    assert by_hand.take(model, saved()).path == path


def test_where_nobody_knows_what_it_must_be_the_record_is_named(model, saved, server, own_cache):
    with pytest.raises(RequestError) as caught:
        by_hand.take(model, saved())
    assert f"{server.url}/records/{RECORD} lists beside the file" in str(caught.value)
    assert "checksum=md5:DIGITS" in str(caught.value)
    # What would make it right is not for the hub to say.
    assert digest("md5") not in str(caught.value)
    elsewhere = with_file(model, url="https://models.example.org/a.zip", file=None, record=None)
    with pytest.raises(RequestError, match="the checksum that its authors state: checksum=md5"):
        by_hand.take(elsewhere, saved())
    assert nothing_kept(own_cache)
    assert by_hand.take(elsewhere, saved(), stated("sha256")).path.name == "a.zip"


@pytest.mark.parametrize("checksum", ["", "md5:", "md5:123", "sha1:" + "0" * 40, "md5:" + "0" * 64])
def test_a_checksum_that_is_none_is_told(model, saved, checksum):
    with pytest.raises(RequestError, match=r"checksum is .*; it must be md5: with 32"):
        by_hand.take(model, saved(), checksum)


def test_a_file_that_is_not_what_the_caller_states_is_refused(model, saved, own_cache):
    with pytest.raises(WeightsError) as caught:
        by_hand.take(model, saved(b"another"), stated("md5"))
    assert f"its MD5 is {digest('md5', b'another')} and must be {digest('md5')}" in str(
        caught.value
    )
    assert nothing_kept(own_cache)


def test_a_file_of_another_model_is_told_by_its_checksum(model, neighbour, saved, own_cache):
    theirs = with_file(neighbour, sha256=digest("sha256"))
    words = f"of {neighbour.name}, and no file of {model.name}; .* weights import {neighbour.name}"
    with pytest.raises(WeightsError, match=words):
        by_hand.take(with_file(model, md5="0" * 32), saved(), None, [theirs])
    # The caller may have read the checksum off the other's page, too.
    with pytest.raises(WeightsError, match=words):
        by_hand.take(model, saved(), stated("md5"), [theirs])
    assert nothing_kept(own_cache)


def test_a_file_of_another_model_is_told_by_its_name(model, neighbour, saved, own_cache):
    name = neighbour.main_file.file
    with pytest.raises(WeightsError, match=f"the name of a file of {neighbour.name}; .* {NAME}$"):
        by_hand.take(model, saved(name=name), stated("md5"), [neighbour])
    assert nothing_kept(own_cache)
    assert by_hand.take(model, saved(name=NAME), stated("md5"), [neighbour])


@pytest.fixture
def several(model):
    """A model with two files."""

    def make(first=None, second=None):
        entry = model.weights[0]
        url = f"https://zenodo.org/records/{RECORD}/files"
        pair = (
            replace(entry.files[0], file="a.zip", url=f"{url}/a.zip", md5=first),
            replace(entry.files[0], file="b.zip", url=f"{url}/b.zip", md5=second, role="other"),
        )
        return replace(model, weights=(replace(entry, files=pair),))

    return make


def test_of_several_files_the_checksum_tells_which_it_is(several, saved):
    model = several(digest("md5", b"one"), digest("md5", b"two"))
    with pytest.raises(WeightsError) as caught:
        by_hand.take(model, saved(b"three"))
    for content in (b"one", b"two", b"three"):
        assert digest("md5", content) in str(caught.value)
    assert by_hand.take(model, saved(b"two")).path.name == "b.zip"
    assert by_hand.take(model, saved(b"one")).path.name == "a.zip"


def test_of_several_files_that_nobody_knows_the_name_tells_which_it_is(several, saved):
    with pytest.raises(WeightsError, match=r"may be any of several .* call it a.zip or b.zip"):
        by_hand.take(several(), saved(b"two"), stated("md5", b"two"))
    found = by_hand.take(several(), saved(b"two", "b.zip"), stated("md5", b"two"))
    assert found.path.name == "b.zip"


def test_of_two_files_one_of_which_is_known_what_is_not_that_is_the_other(several, saved):
    model = several(first=digest("md5", b"one"))
    with pytest.raises(RequestError, match=r"nor a pin says what b.zip must be"):
        by_hand.take(model, saved(b"two"))
    assert by_hand.take(model, saved(b"two"), stated("md5", b"two")).path.name == "b.zip"


def test_a_page_is_no_file_of_weights_whatever_its_checksum(model, saved, own_cache):
    with pytest.raises(WeightsError, match=r"is a page that a server showed in place of a file"):
        by_hand.take(model, saved(PAGE), stated("md5", PAGE))
    assert nothing_kept(own_cache)


def test_what_is_no_file_is_told(model, tmp_path):
    with pytest.raises(WeightsError, match=r"a folder; .* a browser may have unpacked it"):
        by_hand.take(model, tmp_path, stated("md5"))
    with pytest.raises(WeightsError, match="there is no file"):
        by_hand.take(model, tmp_path / "nothing.zip", stated("md5"))
    with pytest.raises(WeightsError, match="cyclegan-dbt has no weights to download"):
        by_hand.take(metadata("cyclegan-dbt"), tmp_path / "nothing.zip")


def test_a_download_that_broke_off_leaves_nothing_behind(
    model, server, saved, own_cache, monkeypatch
):
    monkeypatch.setattr(medigan_hub.web, "pause", lambda seconds: None)
    server.fail(FILE, Fault(drop_after=1000), Fault(status=403))
    with pytest.raises(medigan_hub.NetworkError):
        weights.fetch(model)
    assert list(own_cache.rglob("*.part"))
    by_hand.take(model, saved(), stated("md5"))
    assert not list(own_cache.rglob("*.part"))


def test_a_damaged_file_in_the_cache_is_replaced(model, saved):
    path = by_hand.take(model, saved(), stated("md5")).path
    path.write_bytes(b"damaged")
    assert by_hand.take(model, saved()).path.read_bytes() == CONTENT


def test_a_cache_that_can_not_be_written_is_told(model, saved, own_cache):
    own_cache.write_text("a file")
    with pytest.raises(OutputError, match="can't be imported for dcgan-mmg-mass-roi-bcdr"):
        by_hand.take(model, saved(), stated("md5"))


def test_an_archive_that_leads_out_of_its_folder_is_refused_when_it_is_used(
    model, saved, own_cache, tmp_path
):
    content = zips.zipped({"__init__.py": b"", "../../../../evil.txt": b"evil"})
    by_hand.take(model, saved(content), stated("md5", content))
    with pytest.raises(WeightsError, match="leads out of its folder"):
        weights.unpack(model)
    assert not list(tmp_path.rglob("evil.txt"))
