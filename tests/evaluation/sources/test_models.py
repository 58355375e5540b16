"""The images of a model, made as they are needed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from medigan_hub import HubError
from medigan_hub.evaluation import sources
from support import toys

COUNTED = """
made = []

class Counted(Plugin):
    def draw(self, request, output, index):
        made.append(index)
        return super().draw(request, output, index)

plugin = Counted()
"""


def test_samples_are_made_a_batch_at_a_time_and_from_one_on(install):
    package = install(code=toys.code("drawing") + COUNTED)
    found = sources.find("model:toy-noise", count=64, wishes={"batch_size": 4})
    images = found.images(40)
    next(images)
    made = __import__(package.name).made
    assert made[0] == 40
    assert len(made) <= 3 * 4  # a batch, and what is made ahead
    images.close()
    assert len(list(found.images(60))) == 4


def test_there_are_as_many_samples_as_asked_for_or_as_inputs(install, document, ramp):
    document |= {"inputs": [toys.SCAN], "task": "image-to-image", "latent": None}
    install(document=document, code=toys.code("drawing"))
    wishes = {"inputs": [ramp[:8, :6], ramp[8:16, :6], ramp[:8, 6:12]]}
    assert len(sources.find("model:toy-noise", default=2, wishes=wishes)) == 3
    assert len(sources.find("model:toy-noise", count=1, default=2, wishes=wishes)) == 1
    assert len(sources.find("model:toy-noise", default=2, wishes={})) == 2


def test_keys_tell_jobs_apart(install, document, ramp):
    document |= {"inputs": [toys.SCAN], "task": "image-to-image", "latent": None}
    install(document=document, code=toys.code("drawing"))

    def key(**wishes):
        return sources.find("model:toy-noise", count=1, wishes=wishes).key

    one, other = ([np.roll(ramp, n, axis=0)[:8, :6]] for n in (0, 1))
    keys = [key(), key(seed=1), key(inputs=one), key(inputs=other)]
    assert len(set(keys)) == 4
    assert key(inputs=one) == key(inputs=[ramp[:8, :6]])


def test_words_about_images_of_the_other_set_say_nothing_to_a_model(install):
    install()
    found = sources.find("model:toy-noise", count=2, wishes={"recursive": True, "bits": 12})
    assert len(list(itertools.islice(found.images(), 1))) == 1


def test_a_model_that_is_not_known_is_answered_with_the_closest(install):
    install()
    assert sources.is_model("model:toy-noise")
    assert not sources.is_model("toy-noise")
    for ask in (sources.is_model, sources.find):
        with pytest.raises(HubError, match=r"toy-nose.*toy-noise"):
            ask("model:toy-nose")
