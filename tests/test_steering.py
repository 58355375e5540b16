"""Moving through a model's latent space."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from medigan_hub import Hub, PluginError, RequestError, generation, steering
from medigan_hub.metadata import Latent

NORMAL, UNIFORM = Latent(4, "normal"), Latent(4, "uniform")
SIZE = 20

# The images follow two directions of the latent space: strongly the one, weakly the other. Which
# is which the condition says; pixels between which strong stripes change are not to count.
CODE = """
import numpy as np
from medigan_hub.plugin import NoiseToImage, NetworkRuntime

made = 0
SHAPE = {shape}

def direction(size, start):
    row = np.zeros(size, np.float32)
    row[start::3] = (-1) ** np.arange(len(row[start::3]))
    return row / np.linalg.norm(row)

class Two(NetworkRuntime):
    def open(self, files, device, precision):
        return self

    def __call__(self, latents, swapped):
        global made
        made += len(latents)
        size = latents.shape[1]
        first, second, third = (latents @ direction(size, start) for start in range(3))
        first, second = np.where(swapped, (second, first), (first, second))
        y, x = np.indices(SHAPE)[-3:-1]
        blob = np.exp(-((y - y.mean()) ** 2 + (x - x.mean()) ** 2) / y.max() ** 2 * 4)
        left = np.where(x < x.mean(), 1, -1)
        stripes = (-1) ** y
        over = (slice(None), *(np.newaxis,) * len(SHAPE))
        return np.tanh(
            0.6 * first[over] * blob + 0.2 * second[over] * left + {stripes} * third[over] * stripes
        ).astype(np.float32)

class Plugin(NoiseToImage):
    def network_inputs(self, request, indices):
        return request.latents(indices), np.array(request.condition("swapped", indices))

plugin = Plugin(__file__, numpy=Two())
"""


def direction(start, size=SIZE):
    row = np.zeros(size)
    row[start::3] = (-1) ** np.arange(len(row[start::3]))
    return row / np.linalg.norm(row)


@pytest.fixture
def toy(install, document):
    """Return a function that installs a model whose directions are known, and returns the hub."""

    def install_toy(
        size=SIZE, shape=(8, 6, 1), stripes=0.0, distribution="normal", code=CODE, **changes
    ):
        swapped = {"name": "swapped", "type": "boolean", "description": "Order.", "default": None}
        document["conditions"] = [swapped]
        document["latent"] = {"size": size, "distribution": distribution}
        channels = {"channels": ["red", "green", "blue"][: shape[-1]]}
        document["outputs"][0] |= {"shape": list(shape), **channels, **changes}
        install(document=document, code=code.format(shape=shape, stripes=stripes))
        return Hub()

    return install_toy


def samples_made():
    return sys.modules["medigan_model_toy_noise"].made


def cached(folder):
    (path,) = (folder / "directions").iterdir()
    return path


def test_principal_directions_are_those_that_change_the_image_most(toy):
    found = toy().directions("toy-noise")
    assert (found.shape, found.dtype) == ((10, SIZE), np.float32)
    np.testing.assert_allclose(found @ found.T, np.eye(10), atol=1e-5)
    assert abs(found[0] @ direction(0)) > 0.99
    assert abs(found[1] @ direction(1)) > 0.95
    largest = np.abs(found).argmax(axis=1)
    assert (found[np.arange(10), largest] > 0).all(), "of either sign one is settled on"


@pytest.mark.parametrize(
    "changes",
    [
        {"distribution": "uniform"},
        {"shape": (40, 50, 1), "dtype": "uint16", "range": [0, 65535]},
        {"shape": (5, 8, 6, 1), "dtype": "float32", "range": [-1, 1]},
        {"shape": (8, 6, 3), "dtype": "float32", "range": [0, 1000]},
    ],
    ids=["uniform", "uint16", "volume", "rgb"],
)
def test_every_kind_of_image_and_latent_vector_has_principal_directions(toy, changes):
    found = toy(**changes).directions("toy-noise", 2)
    assert abs(found[0] @ direction(0)) > 0.98
    assert abs(found[1] @ direction(1)) > 0.9


def test_what_only_shows_between_neighbouring_pixels_does_not_count(toy):
    found = toy(shape=(96, 64, 1), stripes=0.5).directions("toy-noise", 2)
    assert abs(found[0] @ direction(0)) > 0.95
    assert abs(found[0] @ direction(2)) < 0.2


def test_principal_directions_are_found_from_fewer_samples_than_components(toy):
    plugin = toy(size=300).model("toy-noise").plugin
    _, request = Hub().request(plugin.metadata.name, 1, {})
    few = steering.principal(plugin, request, count=200, num_samples=100)
    assert len(few) <= 48, "there are no more than pixels"
    assert abs(few[0] @ direction(0, 300)) > 0.5, "that of a random direction is 0.06"
    assert len(steering.principal(plugin, request, num_samples=4)) == 3
    with pytest.raises(RequestError, match="number of samples is 1"):
        steering.principal(plugin, request, num_samples=1)


def test_principal_directions_hold_conditions_at_one_value(toy):
    hub = toy()
    swapped = hub.directions("toy-noise", 1, conditions={"swapped": True})
    assert abs(swapped[0] @ direction(1)) > 0.99
    for conditions in ({}, {"swapped": False}, {"swapped": [False, True]}):
        found = hub.directions("toy-noise", 1, conditions=conditions)
        assert abs(found[0] @ direction(0)) > 0.99, "the first choice, or the first value"
    assert samples_made() == 2 * 256, "once for each value"


def test_principal_directions_hold_an_input_too(toy, document):
    scan = {"name": "scan", "kind": "image", "channels": ["intensity"], "required": True}
    document["inputs"] = [scan]
    code = CODE.replace(
        "return request.latents",
        "[request.inputs['scan'][i] for i in indices]\n        return request.latents",
    )
    found = toy(code=code).directions("toy-noise", 1, inputs=np.zeros((8, 6), np.uint8))
    assert abs(found[0] @ direction(0)) > 0.99


def test_principal_directions_are_found_once(toy, own_cache):
    hub = toy()
    told = []
    first = hub.directions("toy-noise", 3, progress=lambda *done: told.append(done), batch_size=100)
    assert told == [(100, 256), (200, 256), (256, 256)]
    assert samples_made() == 256
    again = Hub().directions("toy-noise", 32, seed=5, progress=lambda *done: told.append(done))
    assert (samples_made(), len(told)) == (256, 3)
    assert len(again) == SIZE
    np.testing.assert_array_equal(again[:3], first)
    cached(own_cache).unlink()
    np.testing.assert_allclose(hub.directions("toy-noise", 3), first, atol=1e-4)


def test_an_interrupted_search_for_directions_leaves_nothing(toy, own_cache):
    def stop(done, total):
        raise KeyError("stopped")

    hub = toy()
    with pytest.raises(KeyError, match="stopped"):
        hub.directions("toy-noise", progress=stop)
    assert samples_made() == 8
    assert not (own_cache / "directions").exists()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"no array",
        b"PK\x03\x04",
        npy(np.ones((10, SIZE), np.float32))[:-1],
        npy(np.full((10, SIZE), np.nan, np.float32)),
        npy(np.ones((10, SIZE + 1), np.float32)),
        npy(np.ones(SIZE, np.float32)),
        npy(np.array([{}])),
    ],
)
def test_a_damaged_file_of_directions_is_made_anew(toy, own_cache, damage):
    hub = toy()
    first = hub.directions("toy-noise")
    whole = cached(own_cache).read_bytes()
    cached(own_cache).write_bytes(damage)
    np.testing.assert_array_equal(hub.directions("toy-noise"), first)
    assert cached(own_cache).read_bytes() == whole


def test_a_cache_that_can_not_be_written_is_no_error(toy, own_cache):
    own_cache.mkdir()
    (own_cache / "directions").write_text("in the way")
    assert len(toy().directions("toy-noise")) == 10


def test_directions_say_what_is_wrong(toy, install, document, drawing):
    hub = toy()
    for count in (0, 33, "ten"):
        with pytest.raises(RequestError, match="number of directions is"):
            hub.directions("toy-noise", count)
    del document["latent"]
    install("toy-flat", code=drawing, document=document | {"name": "toy-flat", "conditions": []})
    with pytest.raises(RequestError, match="toy-flat has no latent vector"):
        Hub().directions("toy-flat")


def test_a_plugin_that_fails_is_named(install):
    install(code="raise RuntimeError('no weights')")
    with pytest.raises(PluginError, match="toy-noise"):
        Hub().directions("toy-noise")


@pytest.mark.parametrize(("size", "groups"), [(48, 10), (100, 10), (7, 10), (10, 1)])
def test_a_grouped_basis_moves_neighbouring_components_together(size, groups):
    basis = steering.grouped(size, groups)
    assert basis.shape == (min(size, groups), size)
    assert (basis.sum(axis=0) == 1).all(), "each component belongs to one row"
    runs = basis.argmax(axis=0)
    assert (np.diff(runs) >= 0).all()
    lengths = np.bincount(runs)
    assert lengths.max() - lengths.min() <= 1


def test_moving_adds_amounts_along_the_basis():
    basis = [[1, 1, 0, 0], [0, 0, 1, 0]]
    moved = steering.move(NORMAL, [1, 2, 3, 4], basis, [10, -1], offset=0.5)
    assert (moved.tolist(), moved.dtype) == ([11.5, 12.5, 2.5, 4.5], np.float32)
    still = steering.move(NORMAL, [1, 2, 3, 4], np.empty((0, 4)), [])
    assert still.tolist() == [1, 2, 3, 4]


def test_a_uniform_vector_moves_in_standard_deviations_and_stays_in_its_range():
    moved = steering.move(UNIFORM, [0, 0, 0.9, -0.9], np.eye(4), [1, 0, 1, -9], offset=0.1)
    np.testing.assert_allclose(moved, [1.1 / 3**0.5, 0.1 / 3**0.5, 1, -1], rtol=1e-6)


@pytest.mark.parametrize(
    ("start", "basis", "amounts", "offset", "message"),
    [
        ([1, 2, 3], [[1, 1, 1, 1]], [1], 0, r"latent vector has the shape \[3\]; .* \[4\]"),
        ([1, 2, 3, 4], [[1, 1, 1]], [1], 0, r"basis has the shape \[1, 3\]; .* \[N, 4\]"),
        ([1, 2, 3, 4], [1, 1, 1, 1], [1], 0, r"basis has the shape \[4\]"),
        ([1, 2, 3, 4], [[1, 1, 1, 1]], [1, 2], 0, r"amounts has the shape \[2\]; .* \[1\]"),
        ([1, 2, 3, np.nan], [[1, 1, 1, 1]], [1], 0, "latent vector holds nan"),
        ([1, 2, 3, 4], [[1, 1, 1, 1]], [np.inf], 0, "amounts holds inf"),
        ([1, 2, 3, 4], [[1, 1, 1, 1]], [1e39], 0, "amounts holds 1e"),
        ([1, 2, 3, 4], [[9, 9, 9, 9]], [3e38], 0, "vector there holds"),
        ([1, 2, 3, 4], [[1, 1, 1, 1]], [1], None, "offset is no array of numbers"),
        ([1, 2, 3, 4], [[1, 1, 1, 1], [1]], [1, 2], 0, "rows of different lengths"),
        (["1", "2", "3", "4"], [[1, 1, 1, 1]], [1], 0, "latent vector is no array of numbers"),
    ],
)
def test_moving_says_what_is_wrong(start, basis, amounts, offset, message):
    with pytest.raises(RequestError, match=message):
        steering.move(NORMAL, start, basis, amounts, offset)


def test_an_interpolation_between_normal_vectors_turns_evenly_and_keeps_their_length():
    latent = Latent(100, "normal")
    start, end = np.random.default_rng(0).standard_normal((2, 100), np.float32)
    path = steering.interpolate(latent, start, end, 9)
    assert (path.shape, path.dtype) == ((9, 100), np.float32)
    np.testing.assert_array_equal(path[[0, -1]], [start, end])
    lengths = np.linalg.norm(path, axis=1)
    np.testing.assert_allclose(lengths, np.linspace(lengths[0], lengths[-1], 9), rtol=1e-5)
    units = path / lengths[:, np.newaxis]
    angles = np.arccos((units[:-1] * units[1:]).sum(axis=1))
    np.testing.assert_allclose(angles, angles[0], rtol=1e-3)


@pytest.mark.parametrize(
    ("start", "end", "lengths"),
    [
        ([1, 2, 0, 2], [1, 2, 0, 2], [3, 3, 3]),
        ([1, 2, 0, 2], [2, 4, 0, 4], [3, 4.5, 6]),
        ([1, 2, 0, 2], [-1, -2, 0, -2], [3, 3, 3]),
        ([3, 0, 0, 0], [-3, 0, 0, 1e-9], [3, 3, 3]),
        ([0, 0, 0, 0], [1, 2, 0, 2], [0, 1.5, 3]),
        ([1, 2, 0, 2], [0, 0, 0, 0], [3, 1.5, 0]),
        ([0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0]),
    ],
    ids=["same", "parallel", "opposite", "nearly opposite", "from zero", "to zero", "zero"],
)
def test_an_interpolation_without_an_angle_has_its_way_too(start, end, lengths):
    path = steering.interpolate(NORMAL, start, end, 3)
    np.testing.assert_array_equal(path[[0, -1]], np.float32([start, end]))
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), lengths, atol=1e-6)


def test_an_interpolation_between_uniform_vectors_is_straight():
    path = steering.interpolate(UNIFORM, [-1, 0, 0.5, 1], [1, 0, 0.5, -1], 5)
    np.testing.assert_allclose(path[:, 0], [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_allclose(path[:, 1:3], [[0, 0.5]] * 5)
    assert steering.interpolate(Latent(1, "normal"), [2], [-2], 3).round(6).tolist() == [
        [2],
        [0],
        [-2],
    ]


@pytest.mark.parametrize(
    ("start", "end", "steps", "message"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 1, "number of steps is 1"),
        ([1, 2, 3], [1, 2, 3, 4], 2, r"first latent vector has the shape \[3\]"),
        ([1, 2, 3, 4], [[1, 2, 3, 4]], 2, r"last latent vector has the shape \[1, 4\]"),
        ([1, 2, 3, 4], [1, 2, 3, -np.inf], 2, "last latent vector holds -inf"),
    ],
)
def test_an_interpolation_says_what_is_wrong(start, end, steps, message):
    with pytest.raises(RequestError, match=message):
        steering.interpolate(NORMAL, start, end, steps)


def test_a_sample_is_made_at_another_place(install):
    install()
    plugin = Hub().model("toy-noise").plugin
    _, request = Hub().request(plugin.metadata.name, 3, {"seed": 7})
    vector = np.linspace(-1, 1, 48)
    (batch,) = generation.stream(plugin, steering.at(request, vector))
    np.testing.assert_array_equal(
        batch.arrays["image"][0, :, :, 0].ravel(), np.rint((vector + 1) * 127.5)
    )
