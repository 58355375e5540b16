"""Which network a checkpoint belongs to, told by its tensors alone."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from medigan_hub import RequestError, WeightsError, networks
from medigan_hub.contribution.recognition import kind_of, likeliest, read, recognise, small
from medigan_hub.networks.dcgan import ConditionalDcgan, Dcgan
from medigan_hub.networks.resnet_translator import ResnetTranslator
from medigan_hub.networks.unet import UnetTranslator

TWINS = {"resnet-translator": "pix2pixhd-global"}
"""Networks of one layout: the first that fits is taken."""


@pytest.fixture
def save(tmp_path):
    def save_checkpoint(content):
        torch.save(content, tmp_path / "checkpoint.pt")
        return tmp_path / "checkpoint.pt"

    return save_checkpoint


@pytest.mark.parametrize("name", networks.by_name())
def test_a_network_is_recognised_by_its_tensors(name, save):
    tensors = small(name).tensors
    found = recognise(read(save(dict(tensors))))
    assert found.network == TWINS.get(name, name)
    assert name in (found.network, *found.others)
    assert found.place == ""
    assert kind_of(name).tasks == found.facts.tasks
    assert all(torch.equal(found.tensors[key], tensor) for key, tensor in tensors.items())
    assert list(found.tensors) == list(tensors)


def test_small_weights_are_the_same_every_time_and_leave_the_random_state():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    once, again = (small("dcgan128").tensors for _ in range(2))
    assert all(map(torch.equal, once.values(), again.values()))
    assert torch.equal(torch.rand(1), expected)


def test_sizes_are_learnt_from_the_tensors(save):
    found = recognise(read(save(Dcgan(100, (32, 16, 8, 8, 4), 3).state_dict())))
    facts = found.facts
    assert (facts.latent, facts.size, facts.channels, facts.classes) == (100, (128, 128), 3, 0)
    found = recognise(read(save(ConditionalDcgan(10, (8, 4), 2, classes=(5, 3, 2)).state_dict())))
    assert (found.network, found.others) == ("cdcgan128", ("dcgan128",))
    assert (found.facts.latent, found.facts.classes) == (10, 5)
    found = recognise(read(save(UnetTranslator(3, 1, (4, 4, 4, 4, 4, 4)).state_dict())))
    facts = found.facts
    assert (facts.input_channels, facts.channels, facts.multiple, facts.minimum) == (3, 1, 64, 64)
    found = recognise(read(save(ResnetTranslator(1, 2, 4, 2, 3).state_dict())))
    facts = found.facts
    assert (facts.input_channels, facts.channels, facts.multiple, facts.minimum) == (1, 2, 8, 16)


WRAPPED = {
    "netG.module": lambda own, other: {
        "epoch": 3,
        "netD": other,
        "netG": {f"module.{key}": tensor for key, tensor in own.items()},
        "optimizerD": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []},
    },
    "state_dict.generator": lambda own, other: {
        "state_dict": {
            **{f"discriminator.{key}": tensor for key, tensor in other.items()},
            **{f"generator.{key}": tensor for key, tensor in own.items()},
        }
    },
    "1": lambda own, other: [other, own],
    "module": lambda own, other: {f"module.{key}": tensor for key, tensor in own.items()},
}


@pytest.mark.parametrize("place", WRAPPED)
def test_a_generator_is_found_where_training_leaves_it(place, save):
    own, other = Dcgan(6, (8, 4)).state_dict(), {"main.0.weight": torch.zeros(4, 1, 4, 4)}
    found = recognise(read(save(WRAPPED[place](own, other))))
    assert (found.network, found.place) == ("dcgan128", place)
    assert list(found.tensors) == list(own)


def test_of_two_generators_the_average_or_the_first_is_taken(save):
    one, two = (ResnetTranslator(ngf=2, n_blocks=1).state_dict() for _ in range(2))
    found = recognise(read(save({"D_A": {"x": torch.zeros(1)}, "G_A": one, "G_B": two})))
    assert found.place == "G_A"
    assert torch.equal(found.tensors["model.1.weight"], one["model.1.weight"])


def test_safetensors_are_read_as_well(tmp_path):
    save_file(Dcgan(6, (8, 4)).state_dict(), tmp_path / "weights.safetensors")
    assert recognise(read(tmp_path / "weights.safetensors")).network == "dcgan128"


def test_one_of_several_that_fit_can_be_chosen(save):
    groups = read(save(ResnetTranslator(ngf=2, n_blocks=1).state_dict()))
    assert recognise(groups).network == "pix2pixhd-global"
    found = recognise(groups, "resnet-translator")
    assert (found.network, found.others) == ("resnet-translator", ("pix2pixhd-global",))
    with pytest.raises(RequestError, match="not those of the network unet256; they are those of"):
        recognise(groups, "unet256")


def test_a_foreign_network_is_none_of_the_hubs(save):
    layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Conv2d(1, 2, 3))
    groups = read(save({"gen": layers.state_dict(), "dis": {"x": torch.zeros(99)}, "n": 1}))
    assert recognise(groups) is None
    place, tensors = likeliest(groups)
    assert (place, sorted(tensors)) == ("gen", ["0.bias", "0.weight", "1.bias", "1.weight"])


@pytest.mark.parametrize("content", [{"epoch": 1}, [1, 2], torch.zeros(3), "text"])
def test_a_file_without_named_tensors_is_refused_in_one_line(content, save):
    with pytest.raises(WeightsError, match=r"^\S+ holds no tensors by name; save [^\n]*$"):
        read(save(content))


def test_code_in_a_checkpoint_is_not_run(save, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    with pytest.raises(WeightsError, match="refused"):
        read(save({"generator": Evil()}))
    assert not (tmp_path / "ran").exists()


def test_an_unknown_network_is_answered_with_those_that_exist():
    with pytest.raises(RequestError, match="no network 'dcgan'; use own, or dcgan128"):
        small("dcgan")
