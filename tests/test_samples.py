from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.execution import Execution
from medigan_hub.metadata import ModelMetadata
from medigan_hub.samples import GenerationRequest, SampleBatch


@pytest.fixture
def model(document):
    return ModelMetadata.from_document(document)


def test_the_random_numbers_of_a_sample_are_those_of_numpys_philox(model):
    """Pinned: a change of these numbers would change every data set ever made."""
    request = GenerationRequest(model, range(4), seed=7)
    assert request.rng(3, "latent").integers(0, 2**32, 4).tolist() == PINNED
    philox = np.random.Philox(
        key=np.array([7, 3], np.uint64), counter=np.array([0, 0, 0, 1827798387], np.uint64)
    )
    assert np.random.Generator(philox).integers(0, 2**32, 4).tolist() == PINNED


PINNED = [3408756599, 3385373627, 3405246370, 1563713055]


def test_latents_do_not_depend_on_the_batch(model):
    request = GenerationRequest(model, range(10), seed=1)
    together = request.latents(range(10))
    assert together.dtype == np.float32
    for index in (0, 4, 9):
        assert np.array_equal(request.latents([index])[0], together[index])


def test_latents_have_the_declared_distribution(model, document):
    uniform = GenerationRequest(model, range(400), seed=0).latents(range(400))
    assert uniform.shape == (400, 48)
    assert -1 <= uniform.min() < -0.99
    assert 0.99 < uniform.max() < 1
    document["latent"]["distribution"] = "normal"
    normal = ModelMetadata.from_document(document)
    values = GenerationRequest(normal, range(400), seed=0).latents(range(400))
    assert abs(values.mean()) < 0.03
    assert abs(values.std() - 1) < 0.03


def test_seed_index_and_stream_each_give_other_numbers(model):
    def first(seed, index, stream):
        return GenerationRequest(model, range(9), seed=seed).rng(index, stream).random()

    values = {first(0, 0, "latent"), first(1, 0, "latent"), first(0, 1, "latent")}
    values |= {first(0, 0, "input"), first(2**64 - 1, 0, "latent")}
    assert len(values) == 5


def test_the_last_batch_takes_what_is_left(model):
    request = GenerationRequest(model, range(10), seed=0, execution=Execution(batch_size=4))
    assert [list(indices) for indices in request.batches()] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_batch_can_be_read_sample_by_sample():
    batch = SampleBatch(np.array([5, 6]), {"image": np.arange(2 * 3).reshape(2, 3)})
    assert len(batch) == 2
    samples = list(batch)
    assert [index for index, _ in samples] == [5, 6]
    assert samples[1][1]["image"].tolist() == [3, 4, 5]
