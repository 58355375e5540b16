from __future__ import annotations

import numpy as np
import pytest

from medigan_hub import Hub, HubError, PluginError, RequestError

# A plugin that does as a test says.
PLUGIN = """
import json, pathlib
import numpy as np
from medigan_hub import SampleBatch, hookimpl

class Plugin:
    @hookimpl
    def model_metadata(self):
        return json.loads(pathlib.Path(__file__).with_name("metadata.json").read_text())

    @hookimpl
    def generate(self, request):
        image = np.zeros((1, 8, 6, 1), np.uint8)
        batch = lambda indices, image: SampleBatch(np.array(indices), {"image": image})
        BODY

plugin = Plugin()
"""


def images(batches):
    return np.concatenate([batch.arrays["image"] for batch in batches])


def test_a_sample_is_the_same_whatever_the_batch_size(install):
    install()
    hub = Hub()
    whole = images(hub.generate("toy-noise", 11, seed=3, batch_size=11))
    assert whole.shape == (11, 8, 6, 1)
    assert whole.dtype == np.uint8
    for batch_size in (1, 4, 64):
        assert np.array_equal(
            images(hub.generate("toy-noise", 11, seed=3, batch_size=batch_size)), whole
        )
    assert np.array_equal(images(hub.generate("toy-noise", 5, seed=3)), whole[:5])


def test_another_seed_gives_other_samples(install):
    install()
    hub = Hub()
    first = images(hub.generate("toy-noise", 2, seed=0))
    assert not np.array_equal(first, images(hub.generate("toy-noise", 2, seed=1)))
    assert not np.array_equal(first[0], first[1])


def test_a_job_streams(install):
    install()
    batches = Hub().generate("toy-noise", 10**9, batch_size=2)
    assert next(batches).indices.tolist() == [0, 1]
    assert next(batches).indices.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"num_samples": 0}, "number of samples is 0; it must be a whole number from 1 to"),
        ({"num_samples": -3}, "number of samples is -3"),
        ({"num_samples": 2.5}, "number of samples is 2.5"),
        ({"num_samples": True}, "number of samples is True"),
        ({"num_samples": 10**23}, "number of samples is 1000"),
        ({"device": None}, "no device None; use auto"),
        ({"options": ["size"]}, "options are .* give a mapping from names to values"),
        ({"batch_size": 0}, "batch size is 0"),
        ({"batch_size": -1}, "batch size is -1"),
        ({"seed": -1}, "seed is -1; it must be a whole number from 0 to 18446744073709551615"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"device": "gpu"}, "no device 'gpu'; use auto, cpu, cuda, cuda:N"),
        ({"device": "cuda:x"}, "no device 'cuda:x'"),
        ({"precision": "float8"}, "no precision 'float8'; use float32 or bfloat16"),
        ({"conditions": {"age": 3}}, "no condition 'age'; it has none"),
        ({"options": {"size": 3}}, "no option 'size'; it has none"),
        ({"inputs": np.zeros((4, 4))}, "takes no input images"),
    ],
)
def test_impossible_wishes_are_refused_in_words(install, wishes, message):
    install()
    with pytest.raises(RequestError, match=message):
        Hub().generate("toy-noise", **({"num_samples": 1} | wishes))


def test_numpy_integers_are_integers(install):
    install()
    assert len(list(Hub().generate("toy-noise", np.int64(3), seed=np.uint8(4)))) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("yield 'text'", "is a str, not a SampleBatch"),
        ("yield batch([0], image[:0])", "does not hold 1 of each array"),
        ("yield batch([], image[:0])", "is empty"),
        ("yield SampleBatch(np.array([0]), {'image': np.uint8(0)})", "does not hold 1"),
        ("yield batch([0], image[:, :0])", r"image of shape \(1, 0, 6, 1\)"),
        ("yield batch([1], image)", "does not follow in order"),
        ("yield batch([0], image)", "made 1 of 2 samples and stopped"),
        ("yield batch([0, 1], image)", "does not hold 2 of each array"),
        ("yield batch([0], image.astype('float32'))", "image as float32, declared uint8"),
        ("yield batch([0], image[:, :4])", r"image of shape \(1, 4, 6, 1\), declared \(1, 8, 6"),
        ("yield batch([0], image[..., 0])", r"image of shape \(1, 8, 6\)"),
        ("yield SampleBatch(np.array([0]), {})", "lacks output image"),
        ("yield SampleBatch(np.array([0]), {'image': image, 'x': image})", "undeclared output x"),
        ("raise ValueError('no such luck')", "plugin toy-noise failed: ValueError: no such luck"),
        ("import module_that_nobody_has; yield", "failed: ModuleNotFoundError"),
    ],
)
def test_a_plugin_that_breaks_its_contract_is_named(install, body, message):
    install(code=PLUGIN.replace("BODY", body))
    with pytest.raises(PluginError, match=message):
        list(Hub().generate("toy-noise", 2))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nan", "image with values that are not numbers"),
        *(
            (value, "image beyond its declared range of -1 to 1")
            for value in ("inf", "2.0", "-1.5")
        ),
    ],
)
def test_values_beyond_the_declared_range_are_refused(install, document, value, message):
    document["outputs"][0] |= {"dtype": "float32", "range": [-1, 1]}
    body = f"image = image.astype('float32'); image[0, 3, 3] = {value!r}; yield batch([0], image)"
    install(document=document, code=PLUGIN.replace("BODY", body))
    with pytest.raises(PluginError, match=message):
        list(Hub().generate("toy-noise", 1))


def test_what_the_caller_does_with_a_batch_is_not_blamed_on_the_plugin(install):
    install()
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 (raised while the stream is open)
        for _ in Hub().generate("toy-noise", 2):
            _ = 1 / 0


def test_weights_that_changed_are_refused(install):
    (install() / "weights.bin").write_bytes(b"other")
    with pytest.raises(HubError, match=r"SHA-256 .* expected e3b0c442.*pip install") as error:
        list(Hub().generate("toy-noise", 1))
    assert "\n" not in str(error.value)


def test_weights_that_are_missing_are_named(install):
    (install() / "weights.bin").unlink()
    with pytest.raises(HubError, match="weights of toy-noise are missing from"):
        list(Hub().generate("toy-noise", 1))
