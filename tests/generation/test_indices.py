"""Some samples of a job alone, by their indices."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medigan_hub import Hub, RequestError
from medigan_hub.cli import main
from support import toys


@pytest.fixture
def hub(install, document):
    document["conditions"] = [
        {"name": "age", "type": "integer", "description": "Age.", "default": 40}
    ]
    document["inputs"] = [toys.SCAN]
    install(document=document, code=toys.code("everything"))
    return Hub()


def images(batches):
    return {index: arrays["image"] for batch in batches for index, arrays in batch}


SCANS = np.random.default_rng(1).integers(0, 256, (40, 8, 6, 1), np.uint8)
ROWS = np.random.default_rng(0).uniform(-1, 1, (40, 48)).astype(np.float32)


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        (37, [37]),
        ("37", [37]),
        (np.int64(3), [3]),
        (range(5, 12), list(range(5, 12))),
        (slice(5, 12), list(range(5, 12))),
        ("5:12", list(range(5, 12))),
        (":3", [0, 1, 2]),
    ],
)
@pytest.mark.parametrize(
    "wishes",
    [{}, {"inputs": SCANS}, {"latents": ROWS}, {"conditions": {"age": list(range(40))}}],
    ids=["drawn", "inputs", "latents", "conditions"],
)
def test_they_are_the_samples_that_a_job_of_all_makes(hub, indices, expected, wishes):
    whole = images(hub.generate("toy-noise", 40, **wishes))
    alone = images(hub.generate("toy-noise", indices=indices, batch_size=3, **wishes))
    assert list(alone) == expected
    for index, image in alone.items():
        assert np.array_equal(image, whole[index])


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"indices": -1}, "the index is -1"),
        ({"indices": True}, "the index is True"),
        ({"indices": 1.5}, "the index is 1.5"),
        ({"indices": range(5, 5)}, "the index after the last is 5"),
        ({"indices": range(0, 9, 2)}, r"the indices are range\(0, 9, 2\); give one, such as 37"),
        ({"indices": slice(3, None)}, r"the indices are slice\(3, None, None\)"),
        ({"indices": "3:"}, "the indices are '3:'"),
        ({"indices": "a\nb"}, "the indices are"),
        ({"indices": 10**18}, "from 0 to 999999999999999999"),
        ({"indices": 5, "num_samples": 2}, "number of samples is 2, and indices names 1"),
        ({"indices": "1:41", "inputs": SCANS}, "sample 40 was asked for, .*inputs scan for 40"),
        ({"indices": 40, "latents": ROWS}, "sample 40 was asked for, .*latents for 40"),
        (
            {"indices": 3, "conditions": {"age": [1, 2, 3]}},
            "sample 3 was asked for, .* values of age for 3",
        ),
    ],
)
def test_what_is_no_run_of_samples_is_refused(hub, wishes, words):
    with pytest.raises(RequestError, match=words):
        hub.generate("toy-noise", **{"num_samples": None, **wishes})


def test_a_number_that_agrees_may_stand_beside(hub):
    assert list(images(hub.generate("toy-noise", 2, indices="8:10"))) == [8, 9]


@pytest.mark.parametrize("format_name", ["png", "webdataset"])
def test_a_data_set_of_them_is_verified_and_mended(hub, tmp_path, contents, format_name):
    wishes = {"indices": "10:17", "batch_size": 3, "format": format_name, "inputs": SCANS}
    folder = tmp_path / "out"
    saved = hub.save("toy-noise", None, folder, **wishes)
    assert saved.count == 7
    rows = [json.loads(line) for line in saved.manifest.read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(10, 17))
    assert json.loads((folder / "dataset.json").read_text())["indices"] == [10, 17]
    assert hub.verify(folder).ok
    expected = contents(folder)
    if format_name == "png":
        hub.save("toy-noise", 40, tmp_path / "whole", inputs=SCANS)
        whole = contents(tmp_path / "whole")
        pictures = {name for name in expected if name.startswith("image/")}
        assert pictures == {f"image/{index:06d}.png" for index in range(10, 17)}
        assert all(expected[name] == whole[name] for name in pictures)
    damaged = sorted(path for path in folder.rglob("*.*") if path.parent != folder)[-2]
    damaged.write_bytes(damaged.read_bytes()[:-1600])
    assert not hub.verify(folder).ok
    made = hub.save("toy-noise", None, folder, resume=True, **wishes).made
    assert 0 < made < 7
    assert contents(folder) == expected


def test_a_loader_has_the_first_of_them_as_item_0(hub, tmp_path):
    pytest.importorskip("torch")
    whole = images(hub.generate("toy-noise", 12))
    kept = str(tmp_path / "kept")
    for cache in (None, kept, kept):
        items = hub.dataset("toy-noise", indices="5:12", cache=cache)
        assert len(items) == 7
        assert np.array_equal((items[2]["sample"][0] * 255).round(), whole[7][:, :, 0])
    (first, *_) = hub.dataset("toy-noise", 12, cache=kept)  # they share the samples
    assert np.array_equal((first["sample"][0] * 255).round(), whole[0][:, :, 0])


def test_the_command_line_takes_one_and_a_run(hub, tmp_path, capsys):
    for text, names in (("3", ["000003.png"]), ("3:5", ["000003.png", "000004.png"])):
        folder = tmp_path / text.replace(":", "-")
        with pytest.raises(SystemExit) as stop:
            main(["generate", "toy-noise", "--index", text, "-o", str(folder), "--json"])
        assert not stop.value.code
        assert json.loads(capsys.readouterr().out)["count"] == len(names)
        assert sorted(path.name for path in (folder / "image").iterdir()) == names
    with pytest.raises(SystemExit) as stop:
        main(["generate", "toy-noise", "--index", "3-5", "-o", str(tmp_path / "no")])
    assert stop.value.code == 1
    assert "the indices are '3-5'; give one" in capsys.readouterr().err
