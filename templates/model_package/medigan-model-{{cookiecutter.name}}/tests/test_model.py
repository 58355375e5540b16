{% set framework = cookiecutter.framework %}
{% set kind = cookiecutter.__kind %}
{% set facts = cookiecutter._facts %}
from __future__ import annotations

{% if facts.weights == "remote" %}
from medigan_hub.plugin import Hub, validate

MODEL = "{{ cookiecutter.name }}"


def test_the_model_is_installed_and_described():
    entry = Hub().model(MODEL)
    assert entry.plugin is not None
    assert validate(dict(entry.metadata.document)) == []
{% else %}
import numpy as np
import pytest

from medigan_hub.plugin import Hub, validate

MODEL = "{{ cookiecutter.name }}"


@pytest.fixture(scope="module")
def hub():
    return Hub()


def make(hub, count=3, **wishes):
    batches = hub.generate(MODEL, count, device="cpu", {{ "allow_archive_code=True, " if framework == "archive" else "" }}**wishes)
    return [arrays for batch in batches for _, arrays in batch]


def test_its_metadata_is_valid(hub):
    assert validate(dict(hub.model(MODEL).metadata.document)) == []

{% if facts.weights == "unfit" %}

@pytest.mark.xfail(reason="network.py holds no network yet", strict=True)
{% endif %}

def test_samples_are_what_the_metadata_declares(hub):
    outputs = hub.model(MODEL).metadata.outputs
    for sample in make(hub):
        for output in outputs:
            array = sample[output.name]
            low, high = output.range
            assert str(array.dtype) == output.dtype
            assert len(array.shape) == len(output.shape)
            assert all(n in (None, m) for n, m in zip(output.shape, array.shape, strict=True))
            assert low <= array.min() <= array.max() <= high

{% if facts.weights == "unfit" %}

@pytest.mark.xfail(reason="network.py holds no network yet", strict=True)
{% endif %}

def test_a_seed_makes_the_same_samples_again_and_another_makes_others(hub):
    name = hub.model(MODEL).metadata.outputs[0].name
    once, again, other = ([each[name] for each in make(hub, seed=seed)] for seed in (1, 1, 2))
    assert all(np.array_equal(*pair) for pair in zip(once, again, strict=True))
    assert not any(np.array_equal(*pair) for pair in zip(once, other, strict=True))
    assert not np.array_equal(once[0], once[1])
{% if kind == "class" %}


def test_the_class_is_as_asked_for(hub):
    classes = hub.model(MODEL).metadata.conditions[0].choices
    images = []
    for number, label in enumerate(classes):
        (sample,) = make(hub, 1, conditions={"label": label})
        assert sample["label"] == number
        images.append(sample["image"].tobytes())
    assert len(set(images)) == len(classes)
{% elif kind == "image" and not facts.inputs %}


def test_an_image_can_be_given(hub):
    given = np.random.default_rng(0).integers(0, 256, (48, 40, {{ facts.input_channels | length }}), np.uint8)
    (sample,) = make(hub, 1, inputs=given)
    assert sample[hub.model(MODEL).metadata.outputs[0].name].shape[:2] == (48, 40)
{% endif %}
{% endif %}
