"""Data sets for training loops, in one process and with models that need no framework."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch.utils.data import DataLoader, Subset, TensorDataset

from medigan_hub import Hub, HubError, MissingDependencyError, OutputError, RequestError, loaders
from medigan_hub.loaders import mix
from support import toys

# Its pixels are its latent vector; it remembers which samples it made, batch by batch.
CODE = toys.code("counted")

# Everything that a model can make, in sizes that differ from sample to sample.
RICH = toys.code("rich")


def rich_document(document):
    free = {"shape": [None, None, 1]}
    image = document["outputs"][0] | free
    mask = {"kind": "mask", "range": [0, 1], **free}
    label = {"kind": "label", "shape": []}
    return document | {
        "outputs": [
            image | {"name": "t1", "dtype": "int16", "range": [-100, 300]},
            mask | {"name": "organ", "dtype": "uint8"},
            image | {"name": "t2"},
            mask | {"name": "tumour", "dtype": "uint16"},
            label | {"name": "grade", "dtype": "uint8", "range": [0, 2]},
            label | {"name": "age", "dtype": "float32", "range": [0, 99]},
        ],
        "inputs": [{"name": "scan", "kind": "image", "channels": ["grey"], "required": False}],
    }


@pytest.fixture
def toy(install):
    """The model's name; ``toy_made`` says what it has made."""
    install(code=CODE)
    return "toy-noise"


def made():
    """Return the samples that the network was asked for, batch by batch, and forget them."""
    log = sys.modules["medigan_model_toy_noise"].plugin.made
    batches = list(log)
    log.clear()
    return batches


def images(model, count, **wishes):
    """Return what the hub generates: float32 from 0 to 1, (count, 1, height, width)."""
    batches = Hub().generate(model, count, **wishes)
    whole = np.concatenate([batch.arrays["image"] for batch in batches])
    made()
    return torch.from_numpy(whole.astype(np.float32) / 255).movedim(-1, 1)


def joined(loader):
    return torch.cat([batch["sample"] for batch in loader])


def test_item_i_is_sample_i(toy):
    expected = images(toy, 9, seed=3)
    dataset = Hub().dataset(toy, 9, seed=3)
    assert len(dataset) == 9
    for index in (4, 0, 8, -1, np.int64(2), torch.tensor(5)):
        item = dataset[index]
        assert set(item) == {"sample"}
        assert item["sample"].dtype == torch.float32
        assert torch.equal(item["sample"], expected[int(index)])
    assert torch.equal(torch.stack([item["sample"] for item in dataset]), expected)


def test_an_index_that_is_none_of_a_sample_is_refused(toy):
    dataset = Hub().dataset(toy, 9)
    for index in (9, -10, 10**30):
        with pytest.raises(IndexError, match=f"there is no sample {index}; there are 9"):
            dataset[index]
        with pytest.raises(IndexError):
            dataset.__getitems__([0, index])
    for index in ("0", 1.0, None, slice(3)):
        with pytest.raises(RequestError, match="is no whole number"):
            dataset[index]


def test_items_hold_whatever_the_model_makes_under_names_of_their_own(install, document):
    install(code=RICH, document=rich_document(document))
    (batch,) = Hub().generate("toy-noise", 1)
    raw = {name: torch.tensor(array[0].astype(np.float32)) for name, array in batch.arrays.items()}
    channel = {name: array[..., 0] for name, array in raw.items() if array.ndim == 3}
    item = Hub().dataset("toy-noise", 3)[0]
    assert list(item) == ["sample", "mask", "label", "other_imaging_output"]
    assert item["sample"].shape == (1, 4, 5)
    assert torch.equal(item["sample"][0], (channel["t1"] + 100) / 400)
    assert item["mask"].dtype == torch.int32
    assert torch.equal(item["mask"].float(), torch.stack([channel["organ"], channel["tumour"]]))
    assert item["label"]["grade"].dtype == torch.int64
    assert item["label"]["age"].dtype == torch.float32
    assert (item["label"]["grade"], item["label"]["age"]) == (0, 40.5)
    others = item["other_imaging_output"]
    assert list(others) == ["t2", "scan"]
    assert torch.equal(others["t2"][0], channel["t2"] / 255)
    assert torch.equal(others["scan"][0], channel["scan"] / 65535)
    assert Hub().dataset("toy-noise", 3)[2]["sample"].shape == (1, 6, 5)


def test_one_label_and_one_further_image_stand_for_themselves(install, document):
    described = rich_document(document)
    described["outputs"] = [o for o in described["outputs"] if o["name"] not in ("age", "t2")]
    install(code=RICH, document=described)
    item = Hub().dataset("toy-noise", 2)[1]
    assert item["label"] == 1
    assert item["other_imaging_output"].shape == (1, 5, 5)


def test_samples_asked_for_together_are_made_together(toy):
    expected = images(toy, 40)
    dataset = Hub().dataset(toy, 40, batch_size=4)
    found = dataset.__getitems__([30, 7, 7, -1, 2, 11, 0])
    assert made() == [[30, 7, 39, 2], [11, 0]]
    assert torch.equal(
        torch.stack([item["sample"] for item in found]), expected[[30, 7, 7, 39, 2, 11, 0]]
    )
    next(iter(DataLoader(Subset(dataset, range(20, 40)), batch_size=4)))
    assert made() == [[20, 21, 22, 23]]


def test_one_after_the_other_they_are_made_ahead_in_batches(toy):
    dataset = Hub().dataset(toy, 10, batch_size=4)
    assert [item["sample"].shape for item in dataset] == [(1, 8, 6)] * 10
    assert made() == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]
    for index in (5, 3, 9, 0):
        dataset[index]
    assert made() == [[5], [3], [9], [0]]


def test_a_cache_in_memory_keeps_every_sample(toy):
    dataset = Hub().dataset(toy, 6, batch_size=6, cache="memory")
    first = dataset[2]["sample"].clone()
    dataset[2]["sample"].fill_(7)
    dataset.__getitems__(range(6))
    assert made() == [[2], [0, 1, 3, 4, 5]]
    assert torch.equal(dataset[2]["sample"], first)
    list(dataset)
    assert made() == []


def test_without_a_cache_every_sample_is_made_anew(toy):
    dataset = Hub().dataset(toy, 6)
    for _ in range(2):
        dataset.__getitems__([1, 2])
    assert made() == [[1, 2], [1, 2]]


def test_a_cache_on_disk_outlives_the_data_set_and_says_what_it_holds(toy, tmp_path):
    folder = tmp_path / "new" / "kept"
    first = Hub().dataset(toy, 6, cache=folder, seed=5).__getitems__([1, 4])
    assert made() == [[1, 4]]
    # Neither how many there are nor how many are made at a time changes a sample.
    again = Hub().dataset(toy, 8, cache=str(folder), seed=5, batch_size=3, device="cpu")
    for item, other in zip(first, again.__getitems__([1, 4]), strict=True):
        assert torch.equal(item["sample"], other["sample"])
    assert made() == []
    assert sorted(path.name for path in folder.iterdir()) == [
        "000001.npz",
        "000004.npz",
        "dataset.json",
    ]
    header = json.loads((folder / "dataset.json").read_text())
    assert (header["synthetic"], header["model"], header["seed"]) == (True, toy, 5)
    with np.load(folder / "000004.npz") as file:
        assert file["image"].dtype == np.uint8
        words = json.loads(file["_provenance"].item())["arrays"]["image"]
    assert (words["Synthetic"], words["Sample"]) == ("yes", "4")


def test_a_damaged_file_of_a_cache_is_made_again(toy, tmp_path):
    dataset = Hub().dataset(toy, 6, cache=tmp_path / "kept")
    expected = dataset[3]["sample"]
    dataset[1]
    path = tmp_path / "kept" / "000003.npz"
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[whole.index(b"\x93NUMPY") + 150] ^= 255
    other = (tmp_path / "kept" / "000001.npz").read_bytes()
    made()
    for damaged in (whole[:99], changed, b"", other):
        path.write_bytes(damaged)
        assert torch.equal(dataset[3]["sample"], expected)
        assert made() == [[3]]
        assert path.read_bytes() == whole


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(toy, tmp_path, contents):
    hub = Hub()
    hub.dataset(toy, 6, cache=tmp_path / "kept", seed=1)[0]
    hub.save(toy, 1, tmp_path / "saved")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    before = contents(tmp_path)
    for name, message in {
        "kept": "kept holds other samples: seed is 1, not 2; name another folder",
        "saved": "saved holds other samples",
        "photos": "photos holds something else than a cache; name another folder",
        "photos/cat.jpg": "cat.jpg is a file; name a folder",
        "photos/cat.jpg/below": "can't be used as a cache",
    }.items():
        with pytest.raises(OutputError, match=message) as caught:
            hub.dataset(toy, 6, cache=tmp_path / name, seed=2)
        assert "\n" not in str(caught.value)
    assert contents(tmp_path) == before


def test_a_transform_has_the_last_word(toy, tmp_path):
    calls = []

    def transform(item):
        calls.append(item["sample"].shape)
        return item["sample"] * 2, "real" if len(calls) > 9 else "synthetic"

    expected = images(toy, 4) * 2
    dataset = Hub().dataset(toy, 4, transform=transform, cache=tmp_path / "kept")
    for _ in range(2):  # the cache keeps what was there before the transform
        assert torch.equal(dataset[3][0], expected[3])
    batch, words = next(iter(Hub().dataloader(toy, 4, transform=transform)))
    assert torch.equal(batch, expected)
    assert list(words) == ["synthetic"] * 4
    assert calls == [(1, 8, 6)] * 6
    assert torch.equal(
        torch.stack([image for image, _ in Hub().iterable_dataset(toy, 4, transform=transform)]),
        expected,
    )


def test_a_data_loader_takes_the_arguments_of_both(toy):
    hub = Hub()
    expected = images(toy, 10, seed=4)
    loader = hub.dataloader(toy, 10, batch_size=4, seed=4)
    assert isinstance(loader, DataLoader)
    assert torch.equal(joined(loader), expected)
    assert made() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(hub.dataloader(toy, 10, batch_size=4, drop_last=True)) == 2
    one, other = (
        joined(
            hub.dataloader(
                toy, 10, seed=4, shuffle=True, generator=torch.Generator().manual_seed(1)
            )
        )
        for _ in range(2)
    )
    assert torch.equal(one, other)
    assert not torch.equal(one, expected)
    assert sorted(one.flatten(1).tolist()) == sorted(expected.flatten(1).tolist())
    picked = hub.dataloader(toy, 10, seed=4, sampler=[7, 2])
    assert torch.equal(joined(picked), expected[[7, 2]])
    batches = hub.dataloader(toy, 10, seed=4, batch_sampler=[[1], [9, 0]])
    assert [len(batch["sample"]) for batch in batches] == [1, 2]
    singles = list(hub.dataloader(toy, 10, seed=4, batch_size=None))
    assert torch.equal(torch.stack([item["sample"] for item in singles]), expected)
    sizes = hub.dataloader(toy, 10, batch_size=3, collate_fn=len)
    assert list(sizes) == [3, 3, 3, 1]


def test_latents_and_conditions_reach_the_samples(toy):
    latents = np.linspace(-1, 1, 3 * 48).reshape(3, 48)
    expected = torch.from_numpy(latents).float().reshape(3, 1, 8, 6) / 2 + 0.5
    for found in (
        joined(Hub().dataloader(toy, latents=latents)),
        torch.stack([item["sample"] for item in Hub().iterable_dataset(toy, latents=latents)]),
        torch.stack(
            [
                torch.from_numpy(i["sample"].numpy().reshape(1, 8, 6))
                for i in Hub().tf_dataset(toy, latents=latents)
            ]
        ),
    ):
        assert torch.allclose(found, expected, atol=0.003)


def test_arguments_that_can_not_be_are_refused_in_one_line(toy):
    hub = Hub()
    for arguments, message in [
        ({"shufle": True}, "no 'shufle'; close to it: shuffle"),
        (
            {"zzz": 1},
            "no 'zzz'; use allow_archive_code, balance, batch_sampler, .* shuffle, .* timeout, win",
        ),
        ({"num_workers": -1}, "refuses its arguments: num_workers option should be non-negative"),
        ({"shuffle": True, "sampler": [1]}, "sampler option is mutually exclusive with shuffle"),
        ({"prefetch_factor": 2}, "prefetch_factor"),
        ({"persistent_workers": True}, "persistent_workers"),
        ({"multiprocessing_context": "spoon", "num_workers": 1}, "spoon"),
        ({"batch_size": 0}, "the batch size is 0"),
        ({"seed": -1}, "the seed is -1"),
        ({"cache": 3}, 'the cache is 3; it is None, "memory" or a folder'),
        ({"transform": "flip"}, "the transform is 'flip'; give a function"),
    ]:
        with pytest.raises(RequestError, match=message) as caught:
            hub.dataloader(toy, 4, **arguments)
        assert "\n" not in str(caught.value)


KINDS = ("dataset", "iterable_dataset", "dataloader", "tf_dataset")


def test_everything_is_checked_at_once_and_no_network_loaded(install, document):
    install(code=CODE)
    needy = rich_document(document) | {"name": "needy", "plugin": "medigan-model-needy"}
    needy["inputs"][0]["required"] = True
    install("needy", code=RICH, document=needy)
    hub = Hub()
    for kind in KINDS:
        getattr(hub, kind)("toy-noise", 3)
    assert "medigan_model_toy_noise" not in sys.modules
    for model, wishes, message in [
        ("needy", {}, "needy needs input images"),
        ("toy-noice", {}, "there is no model 'toy-noice'; close to it: toy-noise"),
        ("toy-noise", {"conditions": {"age": 3}}, "toy-noise has no condition 'age'"),
        ("toy-noise", {"device": "tpu"}, "there is no device 'tpu'"),
    ]:
        for kind in KINDS:
            with pytest.raises(HubError, match=message):
                getattr(hub, kind)(model, 3, **wishes)


def test_what_does_not_fit_into_an_item_is_refused(install, document):
    described = rich_document(document)
    described["outputs"][1]["shape"] = [4, 5, 1]
    install(code=RICH, document=described)
    hub = Hub()
    for kind in KINDS:
        with pytest.raises(RequestError, match="masks of toy-noise have different sizes"):
            getattr(hub, kind)("toy-noise", 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_framework_names_the_extra(toy, monkeypatch, kind):
    framework = "tensorflow" if kind == "tf_dataset" else "torch"
    monkeypatch.delitem(sys.modules, f"medigan_hub.loaders.{framework}", raising=False)
    monkeypatch.delattr(loaders, framework, raising=False)
    monkeypatch.setitem(sys.modules, framework, None)
    message = rf"needs {framework}, .* 'medigan-hub\[{framework}\]'"
    with pytest.raises(MissingDependencyError, match=message):
        getattr(Hub(), kind)(toy, 3)


def test_a_hub_that_only_describes_imports_no_framework():
    code = (
        "import sys, medigan_hub.loaders; from medigan_hub import Hub; Hub().models();"
        "print([name for name in ('torch', 'tensorflow', 'keras') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_data_sets_go_to_other_processes_small(toy):
    dataset = Hub().dataset(toy, 500, cache="memory")
    dataset.__getitems__(range(100))
    stream = Hub().iterable_dataset(toy, 500)
    made()
    for original in (dataset, stream):
        package = pickle.dumps(original)
        assert len(package) < 20_000
        copied = pickle.loads(package)  # noqa: S301 (our own)
        assert torch.equal(next(iter(copied))["sample"], next(iter(original))["sample"])


def test_a_stream_delivers_the_samples_in_order_and_in_batches(toy):
    expected = images(toy, 10, seed=2)
    stream = Hub().iterable_dataset(toy, 10, seed=2, batch_size=4)
    for _ in range(2):
        assert torch.equal(torch.stack([item["sample"] for item in stream]), expected)
        assert made() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert torch.equal(joined(DataLoader(stream, batch_size=3)), expected)


def real(count):
    """Samples whose place among their like can be read from their pixels."""
    return [{"sample": torch.full((1, 8, 6), 2.0 + index)} for index in range(count)]


def test_a_mix_holds_all_real_samples_and_a_share_of_synthetic_ones(toy):
    expected = images(toy, 60)
    dataset = Hub().dataset(toy, 60, cache="memory")
    for share, synthetic in [(0.5, 20), (0.2, 5), (0.25, 7), (0.75, 60), (np.float64(0.03), 1)]:
        mixed = mix(real(20), dataset, synthetic_share=share)
        found = torch.stack([item["sample"] for item in mixed])
        is_real = found[:, 0, 0, 0] >= 2
        assert len(mixed) == len(found) == 20 + synthetic
        assert found[is_real][:, 0, 0, 0].tolist() == list(range(2, 22))
        assert torch.equal(found[~is_real], expected[:synthetic])
        # Evenly: any stretch has as many as its share, give or take one.
        seen = (~is_real).double().cumsum(0)
        even = torch.arange(1, len(found) + 1) * synthetic / len(found)
        assert (seen - even).abs().max() <= 1


def test_a_mix_has_the_synthetic_samples_of_a_batch_made_together(toy):
    dataset = Hub().dataset(toy, 20, batch_size=8)
    mixed = mix(real(20), dataset)
    assert len(joined(DataLoader(mixed, batch_size=8))) == 40
    assert made() == [[4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 3] for n in range(5)]
    assert torch.equal(mixed[-1]["sample"], dataset[19]["sample"])
    with pytest.raises(IndexError):
        mixed[40]
    both = mix(TensorDataset(torch.zeros(3, 1)), TensorDataset(torch.ones(5, 1)))
    assert sorted(float(value) for (value,) in both) == [0, 0, 0, 1, 1, 1]


def test_a_share_that_can_not_be_is_refused(toy):
    dataset = Hub().dataset(toy, 20)
    for share, message in [
        (0, "the synthetic share is 0; give a number between 0 and 1"),
        (1, "the synthetic share is 1"),
        (1.5, "the synthetic share is 1.5"),
        ("half", "the synthetic share is 'half'"),
        (float("nan"), "the synthetic share is nan"),
        (True, "the synthetic share is True"),
        (0.6, "takes 30 synthetic samples, and there are 20; make more"),
        (0.001, "0.001 of 20 real samples is none"),
    ]:
        with pytest.raises(RequestError, match=message):
            mix(real(20), dataset, synthetic_share=share)


def test_only_data_sets_with_indices_and_a_length_are_mixed(toy):
    dataset = Hub().dataset(toy, 20)
    stream = Hub().iterable_dataset(toy, 20)
    for one, other, message in [
        (stream, dataset, "the real data set, a SampleStream, is not one with length and indices"),
        (real(9), stream, "the synthetic data set, a SampleStream"),
        (iter(real(9)), dataset, "the real data set, a list_iterator"),
        (torch.utils.data.Dataset(), dataset, "the real data set, a Dataset"),
        ([], dataset, "the real data set is empty"),
    ]:
        with pytest.raises(RequestError, match=message):
            mix(one, other)


def test_a_tensorflow_data_set_holds_the_samples_in_order_every_time(toy):
    expected = images(toy, 10, seed=6).movedim(1, -1).numpy()
    dataset = Hub().tf_dataset(toy, 10, seed=6, batch_size=4)
    assert dataset.element_spec == {"sample": tf.TensorSpec((8, 6, 1), tf.float32)}
    assert len(dataset) == 10
    for _ in range(2):
        found = np.concatenate([batch["sample"].numpy() for batch in dataset.batch(3)])
        assert np.array_equal(found, expected)
        assert made() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    kept = dataset.cache()
    for _ in range(2):
        assert len(list(kept.shuffle(10).map(lambda item: item["sample"]).batch(4))) == 3
    assert len(made()) == 3


def test_a_tensorflow_data_set_that_is_left_early_stops(toy):
    dataset = Hub().tf_dataset(toy, 1000, batch_size=2)
    for _ in dataset.prefetch(1):
        break
    assert len(list(dataset.take(3))) == 3
    assert len(made()) < 20


def test_a_tensorflow_data_set_holds_all_that_the_model_makes(install, document):
    install(code=RICH, document=rich_document(document))
    dataset = Hub().tf_dataset("toy-noise", 3)
    grey = tf.TensorSpec((None, None, 1), tf.float32)
    assert dataset.element_spec == {
        "sample": grey,
        "mask": tf.TensorSpec((None, None, 2), tf.int32),
        "label": {"grade": tf.TensorSpec((), tf.int64), "age": tf.TensorSpec((), tf.float32)},
        "other_imaging_output": {"t2": grey, "scan": grey},
    }
    items = list(dataset.as_numpy_iterator())
    assert [item["sample"].shape for item in items] == [(4, 5, 1), (5, 5, 1), (6, 5, 1)]
    for item, other in zip(items, Hub().dataset("toy-noise", 3), strict=True):
        for name in ("sample", "mask"):
            assert np.array_equal(np.moveaxis(item[name], -1, 0), other[name].numpy())
        assert item["label"]["grade"] == other["label"]["grade"]


def test_what_goes_wrong_in_tensorflow_is_said_in_the_words_of_the_hub(install):
    install(code=CODE.replace("super()", "1 / 0 or super()"))
    with pytest.raises(tf.errors.OpError, match="plugin toy-noise failed: ZeroDivisionError"):
        list(Hub().tf_dataset("toy-noise", 3))
