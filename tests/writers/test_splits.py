"""Splits: which sample is for training, and which for testing."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from medigan_hub import Hub, RequestError
from medigan_hub.cli import main
from support import toys

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


@pytest.fixture
def hub(install, document):
    document["inputs"] = [toys.SCAN]
    install(document=document, code=toys.code("everything"))
    return Hub()


def splits(folder):
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    return {row["index"]: row["split"] for row in map(json.loads, lines)}


@pytest.fixture
def save(hub, tmp_path):
    def make(count, **wishes):
        folder = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        wishes = {"split": SHARES, "format": "npz", **wishes}
        hub.save("toy-noise", count, folder, **wishes)
        assert hub.verify(folder).ok
        return splits(folder)

    return make


def test_a_sample_is_in_the_same_split_however_many_there_are(save):
    whole = save(60)
    assert save(7) == {index: whole[index] for index in range(7)}
    alone = save(None, indices="30:40", batch_size=3)
    assert alone == {index: whole[index] for index in range(30, 40)}
    reordered = dict(reversed(SHARES.items()))
    assert save(20, split=reordered) == {index: whole[index] for index in range(20)}
    assert save(60, seed=2) != whole


def test_each_split_has_its_share_but_for_a_few_of_however_many(save):
    for seed in range(2):
        found = list(save(200, seed=seed).values())
        for count in range(1, 201):
            counted = Counter(found[:count])
            for name, share in SHARES.items():
                assert abs(counted[name] - share * count) < 3


def test_samples_of_one_file_are_in_one_split(save, tmp_path):
    files = []
    for name in range(30):
        path = tmp_path / f"{name}.png"
        Image.fromarray(np.full((5, 7), name, np.uint8)).save(path)
        files += [path] * (1 + name % 3)
    found = save(len(files), inputs=files)
    by_file: dict[str, set[str]] = {}
    for index, path in enumerate(files):
        by_file.setdefault(path.name, set()).add(found[index])
    assert all(len(each) == 1 for each in by_file.values())
    assert {name for each in by_file.values() for name in each} == set(SHARES)
    shorter = save(10, inputs=files)
    assert shorter == {index: found[index] for index in range(10)}


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"train": 0.8, "test": 0.1}, "shares of the split sum to 0.9; give shares that sum to 1"),
        ({"train": 1.1, "test": -0.1}, "the share of train is 1.1"),
        ({"train": 1, "test": 0}, "the share of test is 0"),
        ({"train": float("nan")}, "the share of train is nan"),
        ({"train": "half", "test": 0.5}, "the share of train is half"),
        ({"train": True}, "the share of train is True"),
        ({}, "the split is"),
        (0.8, "the split is 0.8"),
        ({"": 1}, "a split can't be called ''; use letters"),
        ({"../up": 1}, "a split can't be called '../up'"),
        ({"a": 0.5, "A": 0.5}, "two splits are called A, but for capitals"),
    ],
)
def test_bad_shares_are_refused_before_anything_is_read(hub, tmp_path, split, words):
    with pytest.raises(RequestError, match=words):
        hub.save("toy-noise", 2, tmp_path / "out", split=split, inputs=tmp_path / "not there")
    assert not (tmp_path / "out").exists()


def test_shares_that_sum_to_1_but_for_rounding_are_taken(save):
    assert len(save(4, split={"a": 1 / 3, "b": 1 / 3, "c": 0.3333334})) == 4


def test_the_command_line_takes_them(hub, tmp_path, capsys):
    words = ["generate", "toy-noise", "-n", "20", "-o", str(tmp_path / "out"), "--json", "--split"]
    with pytest.raises(SystemExit) as stop:
        main([*words, "train=0.8,val=0.1,test=0.1"])
    assert not stop.value.code
    assert json.loads(capsys.readouterr().out)["split"] == SHARES
    assert set(splits(tmp_path / "out").values()) == set(SHARES)
    with pytest.raises(SystemExit):
        main([*words, "train=0.8"])
    assert "give shares that sum to 1: --split train=0.8,val=0.1,test=0.1" in (
        capsys.readouterr().err
    )
