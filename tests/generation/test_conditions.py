"""Conditions and latent vectors, as a caller sets them or leaves them open."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medigan_hub import Hub, RequestError
from support import toys

# The image shows the conditions, so that a test can see which a sample had.
CODE = toys.code("conditioned")


@pytest.fixture
def hub(install, document):
    document["conditions"] = [
        {
            "name": "age",
            "type": "number",
            "description": "Age.",
            "default": None,
            "minimum": 20,
            "maximum": 90,
            "unit": "years",
        },
        {
            "name": "view",
            "type": "string",
            "description": "View.",
            "default": "cc",
            "choices": ["cc", "mlo"],
        },
    ]
    document["outputs"] += [
        {"name": "age", "kind": "label", "shape": [], "dtype": "float32", "range": [20, 90]},
        {
            "name": "view",
            "kind": "label",
            "shape": [],
            "dtype": "uint8",
            "range": [0, 1],
            "classes": ["cc", "mlo"],
        },
    ]
    install(document=document, code=CODE)
    return Hub()


def made(hub, count, **wishes):
    """Return what the samples show and what their labels say, one (age, view) a sample."""
    batches = list(hub.generate("toy-noise", count, batch_size=3, **wishes))
    shown, age, view = (
        np.concatenate([batch.arrays[name] for batch in batches])
        for name in ("image", "age", "view")
    )
    levels = shown[:, 0, 0, 0].astype(int)
    assert np.abs(levels - age - 100 * view).max() <= 1
    return [(float(a), int(v)) for a, v in zip(age, view, strict=True)]


def test_one_value_is_for_all_samples(hub):
    assert made(hub, 4, conditions={"age": 40}) == [(40, 0)] * 4
    assert made(hub, 4, conditions={"age": "40", "view": "mlo"}) == [(40, 1)] * 4


@pytest.mark.parametrize(
    "ages",
    [
        [30, 50, 70, 90],
        (30, 50, 70, 90),
        np.array([30, 50, 70, 90]),
        [np.float32(30), np.int64(50), np.array(70), "90"],
        "30,50, 70,90",
    ],
)
def test_each_sample_may_have_its_own(hub, ages):
    expected = [(30, 0), (50, 0), (70, 0), (90, 0)]
    assert made(hub, 4, conditions={"age": ages}) == expected
    assert made(hub, None, conditions={"age": ages}) == expected, "the values say how many"


def test_without_a_value_each_sample_draws_its_own(hub):
    ages = [age for age, _ in made(hub, 200, seed=5)]
    assert len(set(ages)) == 200
    assert 20 <= min(ages) < 25
    assert 85 < max(ages) <= 90
    assert [age for age, _ in made(hub, 7, seed=5)] == ages[:7]
    assert [age for age, _ in made(hub, 7, seed=6)] != ages[:7]


def test_balanced_samples_take_turns(hub):
    assert [view for _, view in made(hub, 5, balance=True)] == [0, 1, 0, 1, 0]
    found = made(hub, 5, balance=True, conditions={"age": [30, 60, 90]})
    assert found == [(30, 0), (60, 0), (90, 0), (30, 0), (60, 0)]


def test_balanced_samples_make_a_whole_round_where_no_number_is_given(hub):
    assert made(hub, None, balance=True, conditions={"age": "30,60,90"}) == [
        (30, 0),
        (60, 0),
        (90, 0),
    ]


def test_a_preview_shows_as_many_samples_as_were_given_values(hub):
    six, forty = (
        np.asarray(hub.preview("toy-noise", conditions={"age": ages})) for ages in (30, [30] * 40)
    )
    assert forty.size > 2 * six.size


def test_a_condition_that_nothing_can_be_drawn_for_needs_a_value(install, document):
    offset = {"name": "offset", "type": "number", "description": "Years.", "default": None}
    document["conditions"] = [offset]
    label = {"name": "offset", "kind": "label", "shape": [], "dtype": "float32", "range": [0, 9]}
    document["outputs"].append(label)
    install(document=document)
    with pytest.raises(RequestError, match="offset has no default; give it a value"):
        list(Hub().generate("toy-noise", 1))
    (batch,) = Hub().generate("toy-noise", 1, conditions={"offset": 3})
    assert batch.arrays["offset"].tolist() == [3]


def test_every_combination_has_its_turn(hub):
    found = made(hub, 8, balance=True, conditions={"age": [30, 60], "view": ["cc", "mlo"]})
    assert sorted(found[:4]) == [(30, 0), (30, 1), (60, 0), (60, 1)]
    assert found[4:] == found[:4]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"conditions": {"age": 19}}, "age=19 is not possible; age is a number from 20 to 90 y"),
        ({"conditions": {"age": [30, 91]}}, "age=91 is not possible"),
        ({"conditions": {"age": "30,old"}}, "age='old' is not possible"),
        ({"conditions": {"age": float("nan")}}, "age=nan is not possible"),
        ({"conditions": {"age": b"30"}}, "age=b'30' is not possible"),
        ({"conditions": {"age": [40]}}, "1 value of age came for 4 samples; give one outside a"),
        ({"conditions": ["age"]}, r"conditions are \['age'\]; give a mapping from names to values"),
        ({"conditions": {"age": []}}, "age was given no value"),
        ({"conditions": {"view": "lateral"}}, "view='lateral' is not possible; .* one of cc, mlo"),
        ({"conditions": {"sex": ["f", "m"]}}, "no condition 'sex'; it has age, view"),
        ({"conditions": {"age": [30, 40]}}, "2 values of age came for 4 samples; .*balance"),
        ({"conditions": {"age": 30, "view": "cc"}, "balance": True}, "nothing to balance"),
        ({"latents": np.zeros((4, 47))}, r"shape \[4, 47\]; .* one row of 48 numbers"),
        ({"latents": np.zeros(48)}, r"shape \[48\]"),
        ({"latents": np.zeros((0, 48))}, r"shape \[0, 48\]"),
        ({"latents": np.zeros((3, 48))}, "4 samples were asked for, but there are latents for 3"),
        ({"latents": [["a"] * 48] * 4}, "latents are not an array of numbers"),
        ({"latents": [[0.0] * 48, [0.0] * 47]}, "latents are rows of different lengths"),
        ({"latents": np.full((4, 48), np.nan)}, r"latents hold nan at \[0, 0\]"),
        ({"latents": np.full((4, 48), 1e39)}, r"latents hold inf at \[0, 0\]"),
    ],
)
def test_impossible_values_are_refused_in_words(hub, wishes, message):
    with pytest.raises(RequestError, match=message) as caught:
        hub.generate("toy-noise", 4, **wishes)
    assert "\n" not in str(caught.value)


def test_a_model_without_conditions_has_nothing_to_balance(install):
    install()
    with pytest.raises(RequestError, match="toy-noise has no condition to balance"):
        Hub().generate("toy-noise", 4, balance=True)


def test_latents_take_the_place_of_those_drawn(install):
    install()
    hub = Hub()
    vectors = np.random.default_rng(0).uniform(-1, 1, (5, 48))
    (batch,) = hub.generate("toy-noise", latents=vectors)
    expected = np.rint((vectors.astype(np.float32) + 1) * 127.5).reshape(5, 8, 6, 1)
    assert np.abs(batch.arrays["image"] - expected).max() <= 1
    (first,) = hub.generate("toy-noise", 2, latents=vectors)
    assert np.array_equal(first.arrays["image"], batch.arrays["image"][:2])


def test_a_model_without_a_latent_refuses_one(install, document):
    del document["latent"]
    install(document=document)
    with pytest.raises(RequestError, match="toy-noise has no latent vector"):
        Hub().generate("toy-noise", 1, latents=np.zeros((1, 48)))


def test_a_data_set_says_which_conditions_and_latents_made_it(hub, tmp_path):
    wishes = {"conditions": {"age": [30, 60]}, "balance": True, "latents": np.zeros((3, 48))}
    for _ in range(2):  # the second time it is the same data set
        saved = hub.save("toy-noise", 3, tmp_path / "out", **wishes)
    header = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert header["conditions"] == {"age": [30, 60], "view": "cc"}
    assert len(header["latents_sha256"]) == 64
    rows = [json.loads(line) for line in saved.manifest.read_text().splitlines()]
    assert [row["labels"] for row in rows] == [
        {"age": 30, "view": 0},
        {"age": 60, "view": 0},
        {"age": 30, "view": 0},
    ]
