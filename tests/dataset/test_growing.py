"""Data sets of the first samples of a job that grow to the whole."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from medigan_hub import Hub, HubError, Interrupted, OutputError
from support import toys

FORMATS = ("png", "npz", "nifti", "dicom", "webdataset")
SPLIT = {"train": 0.5, "test": 0.5}


@pytest.fixture
def hub(install, document):
    document["outputs"] += [
        {"name": "mask", "kind": "mask", "shape": [8, 6, 1], "dtype": "uint8", "range": [0, 1]},
        {"name": "side", "kind": "label", "shape": [], "dtype": "int64", "range": [0, 1]}
        | {"classes": ["left", "right"]},
    ]
    document["conditions"] = [
        {"name": "age", "type": "integer", "description": "Age.", "default": 40}
    ]
    install(document=document, code=toys.code("batched"))
    return Hub()


@pytest.fixture
def save(hub):
    def make(count, folder, **wishes):
        return hub.save("toy-noise", count, folder, **{"batch_size": 4, **wishes})

    return make


def made_again(folder):
    """Return which samples a folder lists, finished or not."""
    path = next(folder.glob("manifest.jsonl*"))
    return sorted({json.loads(line)["index"] for line in path.read_text().splitlines()})


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("small", [2, 8, 10])
def test_a_data_set_that_grows_is_byte_for_byte_as_if_made_at_once(
    hub, save, tmp_path, contents, format_name, small
):
    wishes = {"format": format_name, "split": SPLIT}
    if format_name == "webdataset":
        wishes["shard_size"] = 3
    elif format_name != "png":
        wishes["layout"] = "classes"
    save(15, tmp_path / "whole", **wishes)
    save(small, tmp_path / "out", **wishes)
    saved = save(15, tmp_path / "out", resume=True, **wishes)
    # Those of a last batch that was not full are made again, and no others.
    assert (saved.count, saved.made) == (15, 15 - small // 4 * 4)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert hub.verify(tmp_path / "out").ok


def test_so_does_one_that_was_not_finished_and_one_that_was_damaged(hub, save, tmp_path, contents):
    def stop(done, count):
        if done >= 4:
            raise KeyboardInterrupt

    save(15, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        save(10, tmp_path / "out", progress=stop)
    saved = save(15, tmp_path / "out", resume=True)
    assert saved.made < 15
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    save(9, tmp_path / "damaged")
    (tmp_path / "damaged" / "image" / "000001.png").write_bytes(b"")
    (tmp_path / "damaged" / "mask" / "000006.png").unlink()
    assert save(15, tmp_path / "damaged", resume=True).made == 9
    assert contents(tmp_path / "damaged") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ({"conditions": {"age": [1, 2, 3, 4, 5]}}, {"conditions": {"age": [1, 2, 3, 4, 5, 6, 7]}}),
        ({"conditions": {"age": [1, 2]}, "balance": True}, None),
        ({"conditions": {"age": list(range(7))}, "balance": True}, None),
        ({"latents": 5}, {"latents": 7}),
        ({"indices": "20:25"}, {"indices": "20:27"}),
    ],
)
def test_what_is_given_for_each_sample_may_be_more_than_there_was(
    save, tmp_path, contents, small, large
):
    rows = np.random.default_rng(0).uniform(-1, 1, (7, 48)).astype(np.float32)
    wishes = [dict(each) for each in (small, large or small)]
    for each in wishes:
        if "latents" in each:
            each["latents"] = rows[: each["latents"]]
    alone = "indices" in small
    save(None if alone else 7, tmp_path / "whole", **wishes[1])
    save(None if alone else 5, tmp_path / "out", **wishes[0])
    assert save(None if alone else 7, tmp_path / "out", resume=True, **wishes[1]).made == 3
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"batch_size": 2},
        {"split": SPLIT},
        {"conditions": {"age": [1, 2, 3, 5, 5, 6, 7]}},
        {"indices": "1:9"},
    ],
)
def test_a_data_set_of_other_samples_does_not_grow(save, tmp_path, contents, change):
    save(5, tmp_path / "out", conditions={"age": [1, 2, 3, 4, 5]})
    before = contents(tmp_path / "out")
    count = None if "indices" in change else 7
    wishes = {"conditions": {"age": [1, 2, 3, 4, 5, 6, 7, 8, 9][: count or 9]}, **change}
    with pytest.raises(OutputError, match="holds another data set"):
        save(count, tmp_path / "out", resume=True, **wishes)
    assert contents(tmp_path / "out") == before


def test_growing_is_asked_for_and_a_data_set_does_not_shrink(save, tmp_path, contents):
    save(5, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(
        OutputError, match=r"holds the first 5 of these 7 samples; go on with resume=True"
    ):
        save(7, tmp_path / "out")
    for resume in (True, False):
        with pytest.raises(
            OutputError,
            match=r"holds 5 samples, and 3 were asked for: a data set grows, and does not shrink",
        ):
            save(3, tmp_path / "out", resume=resume)
    assert contents(tmp_path / "out") == before


def test_shards_stay_as_large_as_they_were(hub, save, tmp_path, contents):
    save(40, tmp_path / "whole", format="webdataset", shard_size=2)
    save(16, tmp_path / "out", format="webdataset")  # two in each of eight
    save(40, tmp_path / "out", format="webdataset", resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    # The same job again, and one that is interrupted and gone on with, find them so.
    assert save(40, tmp_path / "out", format="webdataset").made == 40
    with pytest.raises(OutputError, match="shard_size is 2, not 3"):
        save(50, tmp_path / "out", format="webdataset", shard_size=3, resume=True)


def test_nothing_is_touched_before_the_first_new_batch_is_there(
    hub, save, tmp_path, contents, monkeypatch
):
    save(6, tmp_path / "out")
    before = contents(tmp_path / "out")
    from medigan_model_toy_noise import Plugin

    def fail(self, request, index):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Plugin, "draw", fail)
        with pytest.raises(HubError):
            save(9, tmp_path / "out", resume=True)
    assert contents(tmp_path / "out") == before
    assert hub.verify(tmp_path / "out").ok


def test_an_interrupt_leaves_what_was_finished_and_is_gone_on_with(hub, save, tmp_path, contents):
    import signal

    save(20, tmp_path / "whole")
    save(9, tmp_path / "out")

    def interrupt(done, count):
        if done == 12:
            with pytest.warns(UserWarning, match="stopping after"):
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match=r"of 20 samples are in .* go on with resume=True"):
        save(20, tmp_path / "out", resume=True, progress=interrupt)
    verdict = hub.verify(tmp_path / "out")
    assert (verdict.finished, verdict.count, verdict.extra) == (False, 20, [])
    assert verdict.listed >= 12
    assert made_again(tmp_path / "out")[:9] == list(range(9))
    save(20, tmp_path / "out", resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("format_name", ["png", "dicom"])
@pytest.mark.parametrize(("small", "whole"), [({}, {}), ({"indices": "6:9"}, {"indices": "6:20"})])
def test_a_data_set_with_inputs_grows_and_reads_no_others(
    install, document, tmp_path, contents, format_name, small, whole
):
    """What all the inputs together decide, such as their depth, stays as it is."""
    document["inputs"] = [toys.SCAN]
    install(document=document, code=toys.code("everything"))
    hub, scans = Hub(), tmp_path / "scans"
    scans.mkdir()
    for number in range(20):
        pixels = np.full((8, 6), 1000 + 200 * number, np.uint16)
        Image.fromarray(pixels).save(scans / f"{number}.png")
    if small:
        (scans / "0.png").write_bytes((scans / "0.png").read_bytes()[:-20])  # not asked for
    wishes = {"inputs": scans, "format": format_name, "bits": 14, "batch_size": 4}
    hub.save("toy-noise", None if small else 3, tmp_path / "out", **wishes, **small)
    hub.save("toy-noise", None, tmp_path / "out", resume=True, **wishes, **whole)
    assert hub.verify(tmp_path / "out").ok
    hub.save("toy-noise", None, tmp_path / "whole", **wishes, **whole)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
