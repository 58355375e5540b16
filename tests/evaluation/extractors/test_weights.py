"""The weights of FID's network: fetched, verified, pinned and carried as those of models are."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from medigan_hub import NetworkError, WeightsError, weights
from medigan_hub.evaluation.extractors.inception import Inception
from medigan_hub.metadata import WeightsFile
from medigan_hub.weights import by_hand, inventory, transfer
from support.zenodo import Zenodo

NAME = "weights-inception-2015-12-05-6726825d.pth"
PATH = f"/records/1/files/{NAME}"


def content():
    stream = io.BytesIO()
    torch.save({"fc.bias": torch.zeros(1008)}, stream)
    return stream.getvalue()


@pytest.fixture
def server(monkeypatch):
    """A server in the place of the published one, with a small file of other tensors."""
    small = content()
    with Zenodo() as found:
        found.add("1", NAME, small)
        file = replace(
            Inception.published.main_file,
            url=f"{found.url}{PATH}",
            sha256=hashlib.sha256(small).hexdigest(),
        )
        monkeypatch.setattr(Inception, "published", replace(Inception.published, main_file=file))
        yield found


def stock():
    owner = Inception.published
    return inventory.find(owner, owner.main_file, None, thorough=True)


def test_the_published_file_is_pinned_in_the_code():
    file = Inception.published.main_file
    assert file == WeightsFile(
        role="network",
        url=f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{NAME}",
        file=NAME,
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    )


def test_they_are_fetched_when_it_is_opened_and_once(server, own_cache):
    assert stock().state == "absent"
    for _ in range(2):
        with pytest.raises(WeightsError, match="not those of FID's Inception network: missing"):
            Inception().open()
    assert [request.path for request in server.requests] == [PATH]
    found = stock()
    assert (found.model, found.state, found.file) == ("inception", "cached", NAME)
    assert found.path is not None
    assert Path(found.path).is_relative_to(own_cache / "weights")
    assert Path(found.path).read_bytes() == content()
    assert inventory.clear(Inception.published, Inception.published.main_file) >= len(content())
    assert stock().state == "absent"


def test_a_file_of_another_hash_is_refused(server):
    server.add("1", NAME, b"something else")
    with pytest.raises(WeightsError, match=r"is refused: its SHA-256 is not .*, as the metadata"):
        Inception().open()
    assert stock().state == "absent"


def test_without_a_network_it_says_how_to_carry_them(server, monkeypatch):
    monkeypatch.setenv("MEDIGAN_OFFLINE", "1")
    with pytest.raises(NetworkError) as caught:
        Inception().open()
    text = str(caught.value)
    assert f"the weights of inception ({NAME}) are not in the cache" in text
    assert "medigan weights fetch inception" in text
    assert not server.requests


def test_they_are_carried_to_another_machine(server, monkeypatch, tmp_path):
    owner = Inception.published
    weights.fetch(owner)
    (carried,) = transfer.export([owner], tmp_path / "carried")
    assert (carried.model, carried.size) == ("inception", len(content()))
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "other"))
    assert stock().state == "absent"
    transfer.install(carried, tmp_path / "carried", [owner])
    assert stock().state == "cached"


def test_a_file_from_a_browser_is_taken(server, tmp_path):
    (tmp_path / "download.pth").write_bytes(content())
    by_hand.take(Inception.published, tmp_path / "download.pth")
    assert stock().state == "cached"
    (tmp_path / "wrong.pth").write_bytes(b"wrong")
    with pytest.raises(WeightsError, match="is no file of inception: its SHA-256 is"):
        by_hand.take(Inception.published, tmp_path / "wrong.pth")
