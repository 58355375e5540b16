"""The networks of published models, held against what the published implementations give."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import zlib

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from medigan_hub import HubError, WeightsError, networks
from medigan_hub.networks.dcgan import ConditionalDcgan, Dcgan, LeakyDcgan
from medigan_hub.networks.fastgan import FastGan, fold_spectral_norm
from medigan_hub.networks.inpainting import Inpainter
from medigan_hub.networks.pggan import Pggan
from medigan_hub.networks.pggan_chest import PgganChest
from medigan_hub.networks.resnet_translator import Pix2PixHdGlobal, ResnetTranslator
from medigan_hub.networks.singan import SinganScale
from medigan_hub.networks.unet import UnetTranslator
from support import REFERENCE

pytestmark = pytest.mark.slow
NAMES = tuple(networks.by_name())


def random(name):
    return np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))


def tensor_of(key, shape, gain):
    """Return the tensor that the reference was measured with, made from its key alone."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    values = random(key).standard_normal(shape, dtype=np.float32)
    if key.endswith("running_var"):
        values = 1 + 0.1 * np.abs(values)
    elif key.endswith(("weight_u", "weight_v")):
        values = np.abs(values) / np.linalg.norm(values)
    elif gain == "spectral" and key.endswith("weight_orig"):
        values = values + 0.5
    elif len(shape) > 1:
        values = values * np.float32(1 if gain == "unit" else 1 / math.sqrt(math.prod(shape[1:])))
    else:
        values = 1 + 0.1 * values if key.endswith("weight") else 0.1 * values
    return torch.from_numpy(np.asarray(values, np.float32))


def input_of(entry):
    rng = random(entry["array"])
    if entry["kind"] == "normal":
        return torch.from_numpy(rng.standard_normal(entry["shape"], dtype=np.float32))
    return torch.from_numpy(2 * rng.random(entry["shape"], dtype=np.float32) - 1)


class Reference:
    """A published network: its facts, weights, inputs and image."""

    def __init__(self, name):
        facts = json.loads((REFERENCE / f"{name}.json").read_text())
        self.name = name
        self.layout = facts["layout"]
        self.settings = facts["hyperparameters"]
        self.weights = {key: tensor_of(key, shape, facts["gain"]) for key, shape in self.layout}
        self.inputs = [input_of(entry) for entry in facts["inputs"].values()]
        if "conditions" in facts:
            self.inputs.append(torch.tensor(facts["conditions"]))
        self.step = facts["outputs"]["image"]["stored_every"]
        self.image = np.load(REFERENCE / f"{name}.npz")["image"]

    def error(self, image):
        """Return the largest difference of an image from the published one, as a share of it."""
        kept = image.float().numpy()[..., :: self.step, :: self.step]
        return np.abs(kept - self.image).max() / np.abs(self.image).max()


@pytest.fixture(scope="module")
def references():
    """Return the reference of a name, the same every time."""
    found = {}

    def get(name):
        if name not in found:
            found[name] = Reference(name)
        return found[name]

    return get


def run(network, *inputs):
    with torch.inference_mode():
        return network(*inputs)


def lively(network):
    """Give each tensor values of its own, as training would, and return the network."""
    torch.manual_seed(0)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(0.1 * torch.rand_like(tensor))
    return network.eval()


@pytest.mark.parametrize("name", NAMES)
def test_a_network_matches_its_published_implementation(references, name):
    reference = references(name)
    network = networks.build(name, reference.weights, **reference.settings)
    assert not any(module.training for module in network.modules())
    assert reference.error(run(network, *reference.inputs)) <= 1e-4
    assert [[key, list(t.shape)] for key, t in network.state_dict().items()] == reference.layout


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"singan-pyramid"}))
def test_what_the_reference_has_is_the_default(references, name):
    reference = references(name)
    network = networks.build(name, reference.weights)
    assert reference.error(run(network, *reference.inputs)) <= 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_tensors_are_loaded_unchanged_and_not_shared(references, name):
    reference = references(name)
    state = networks.build(name, reference.weights, **reference.settings).state_dict()
    for key, tensor in reference.weights.items():
        assert torch.equal(state[key].to(tensor.dtype), tensor) or state[key].dtype != tensor.dtype
        assert state[key].data_ptr() != tensor.data_ptr()


def latents(size, *shape):
    return lambda: [torch.randn(3, size, *shape)]


SMALL = {
    "dcgan128": (lambda: Dcgan(5, (8, 6, 4), 2), latents(5)),
    "cdcgan128": (
        lambda: ConditionalDcgan(5, (8, 4), 3, classes=(7, 3, 2)),
        lambda: [torch.randn(3, 5), torch.tensor([6, 0, 3])],
    ),
    "dcgan128-leaky": (lambda: LeakyDcgan(6, (9, 7, 5, 3, 2, 2), 3), latents(6, 1, 1)),
    "fastgan-polyp": (lambda: FastGan(5, 2, {4: 8, 8: 6, 16: 4, 32: 4, 64: 2}), latents(5)),
    "inpaint-multimodal": (
        lambda: Inpainter((3, 4), (2, 3), (6, 5, 4), n_blocks=2),
        lambda: [torch.rand(2, 4, 16, 20), torch.rand(2, 1, 16, 20)],
    ),
    "pggan-chest": (lambda: PgganChest(5, (6, 4, 3), 1), latents(5)),
    "pggan-polyp": (lambda: Pggan(5, (6, 4, 3), 1, pixel_norm=True), latents(5, 1, 1)),
    "pix2pixhd-global": (
        lambda: Pix2PixHdGlobal(3, 2, ngf=4, n_blocks=2, n_downsampling=3),
        lambda: [torch.rand(1, 3, 32, 24)],
    ),
    "resnet-translator": (
        lambda: ResnetTranslator(1, 1, ngf=4, n_blocks=6, n_downsampling=1),
        lambda: [torch.rand(2, 1, 16, 20)],
    ),
    "singan-scale": (
        lambda: SinganScale(1, (6, 5), kernel=5),
        lambda: [torch.rand(2, 1, 20, 16), torch.rand(2, 1, 20, 16)],
    ),
    "unet256": (
        lambda: UnetTranslator(1, 2, (3, 4, 5, 5)),
        lambda: [torch.rand(2, 1, 32, 16)],
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_sizes_are_read_off_the_tensors_in_any_order(name):
    make, inputs = SMALL[name]
    original, arrays = lively(make()), inputs()
    shuffled = dict(sorted(original.state_dict().items(), reverse=True))
    rebuilt = networks.build(name, shuffled, **original.hyperparameters)
    assert torch.equal(run(original, *arrays), run(rebuilt, *arrays))


@pytest.mark.parametrize("name", SMALL)
def test_a_batch_gives_what_its_samples_give_and_nothing_that_went_in_changes(name):
    make, inputs = SMALL[name]
    network, arrays = lively(make()), inputs()
    before = [array.clone() for array in arrays]
    whole = run(network, *arrays)
    alone = [run(network, *(array[n : n + 1] for array in arrays)) for n in range(len(arrays[0]))]
    assert torch.allclose(whole, torch.cat(alone), atol=1e-4 * max(1, whole.abs().max()))
    assert torch.equal(whole, run(network, *arrays))
    assert all(map(torch.equal, before, arrays))


@pytest.mark.parametrize("name", SMALL)
def test_a_network_runs_in_bfloat16(name):
    make, inputs = SMALL[name]
    network, arrays = lively(make()), inputs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = run(network, *arrays).float()
    exact = run(network, *arrays)
    assert rough.isfinite().all()
    assert (rough - exact).abs().mean() <= 0.1 * exact.abs().max()


@pytest.mark.parametrize("name", NAMES)
def test_a_size_that_contradicts_the_tensors_is_refused_in_one_line(references, name):
    reference = references(name)
    network = networks.build(name, reference.weights, **reference.settings)
    for key, value in network.hyperparameters.items():
        wrong = {**reference.settings, key: "other"}
        with pytest.raises(
            HubError, match=rf"^{key} is 'other', but it is .+ in the {name}[^\n]*$"
        ):
            networks.build(name, reference.weights, **wrong)
        networks.build(name, reference.weights, **{**reference.settings, key: value})


def test_lists_may_be_tuples(references):
    weights = references("pggan-chest").weights
    networks.build("pggan-chest", weights, channel_depth=(512, 512, 512, 256))


def test_an_unknown_network_is_answered_with_those_that_exist():
    with pytest.raises(HubError, match="no network 'transformer'; the hub has cdcgan128, dcgan128"):
        networks.build("transformer", {})


def test_an_unknown_setting_is_answered_with_those_that_exist(references):
    translator, fastgan = references("resnet-translator"), references("fastgan-polyp")
    with pytest.raises(HubError, match="resnet-translator has no setting noise; it has none"):
        networks.build("resnet-translator", translator.weights, noise=False)
    with pytest.raises(HubError, match="fastgan-polyp has no setting size, x; it has noise"):
        networks.build("fastgan-polyp", fastgan.weights, size=256, noise=False, x=1)


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("cdcgan128", "leakiness", "much"),
        ("dcgan128-leaky", "leakiness", -0.1),
        ("fastgan-polyp", "noise", "no"),
        ("pggan-chest", "alpha", 1.5),
        ("pggan-chest", "leakiness", True),
        ("pggan-chest", "mode", "bicubic"),
        ("pggan-polyp", "alpha", float("nan")),
        ("pggan-polyp", "step", 0),
        ("pggan-polyp", "step", 3),
        ("pggan-polyp", "tanh", "false"),
        ("unet256", "dropout", 0.5),
    ],
)
def test_a_setting_out_of_its_range_is_refused_in_one_line(name, setting, value):
    state = SMALL[name][0]().state_dict()
    with pytest.raises(HubError, match=rf"^{setting} is [^\n]+; it must be [^\n]+$"):
        networks.build(name, state, **{setting: value})


ONE_LINE = r"^the weights are not those of an? [^\n:]+: [^\n]*{}[^\n]*$"


def refusal(name, tensors):
    """Return the words in which tensors are refused, None where they fit."""
    try:
        networks.build(name, tensors)
    except WeightsError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_another_network_are_refused_in_one_line(name):
    others = [SMALL[other][0]().state_dict() for other in SMALL]
    others += [{}, {"layer.weight": torch.zeros(1)}, {"line\nbreak": torch.zeros(1)}]
    said = [text for tensors in others if (text := refusal(name, tensors)) is not None]
    assert all(re.fullmatch(ONE_LINE.format(""), text) for text in said)
    # A translator's go by two names, those of a DCGAN with classes too.
    assert len(said) >= len(others) - 2


@pytest.mark.parametrize("name", SMALL)
def test_any_missing_tensor_is_named(name):
    state = SMALL[name][0]().state_dict()
    for key in state:
        rest = {other: tensor for other, tensor in state.items() if other != key}
        assert key in (refusal(name, rest) or ""), key


@pytest.mark.parametrize("name", SMALL)
def test_unexpected_and_reshaped_tensors_are_named(name):
    state = SMALL[name][0]().state_dict()
    assert "unexpected: further" in refusal(name, {**state, "further": torch.zeros(2)})
    for key, tensor in state.items():
        odd = torch.zeros(*tensor.shape, 2)
        said = refusal(name, {**state, key: odd})
        assert re.fullmatch(ONE_LINE.format(re.escape(key)), said), said


def test_only_three_keys_of_a_kind_are_named(references):
    weights = references("resnet-translator").weights
    without = {k: v for k, v in weights.items() if not k.startswith("model.14.conv_block.5")}
    without |= {f"extra{n}": torch.zeros(1) for n in range(5)}
    without["model.4.bias"] = torch.zeros(7)
    expected = (
        "the weights are not those of a ResNet translator: missing: model.14.conv_block.5.weight, "
        "model.14.conv_block.5.bias; unexpected: extra0, extra1, extra2 and 2 more; "
        "of another shape: model.4.bias (7 instead of 128)"
    )
    with pytest.raises(WeightsError) as caught:
        networks.build("resnet-translator", without)
    assert str(caught.value) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "wrong",
    [None, [torch.zeros(1)], torch.zeros(1), {"a": 1}, {3: torch.zeros(1)}, {"a": torch.zeros(0)}],
    ids=repr,
)
def test_what_is_no_mapping_of_tensors_is_refused_in_one_line(name, wrong):
    with pytest.raises(WeightsError, match=ONE_LINE.format("")):
        networks.build(name, wrong)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [10**6, 2**40])
def test_malformed_sizes_cost_no_memory_and_are_refused_in_one_line(name, size):
    state = SMALL[name][0]().state_dict()
    for key in [key for key, tensor in state.items() if tensor.ndim > 1][:4]:
        rest = state[key].shape[2:]
        huge = torch.zeros((1,) * state[key].ndim).expand(size, min(size, 10**4), *rest)
        with pytest.raises(WeightsError, match=ONE_LINE.format("")):
            networks.build(name, {**state, key: huge})


def test_half_precision_weights_are_loaded_in_full(references):
    reference = references("pix2pixhd-global")
    half = {key: tensor.half() for key, tensor in reference.weights.items()}
    network = networks.build("pix2pixhd-global", half)
    assert all(tensor.dtype == torch.float32 for tensor in network.parameters())
    assert reference.error(run(network, *reference.inputs)) <= 0.05


def test_building_leaves_the_random_state_alone(references):
    weights = references("fastgan-polyp").weights
    torch.manual_seed(3)
    networks.build("fastgan-polyp", weights)
    after = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(2))


def test_statistics_in_checkpoints_of_old_pytorch_are_left_out(references):
    statistics = {
        "model.2.running_mean": torch.zeros(64),
        "model.2.running_var": torch.ones(64),
        "model.2.num_batches_tracked": torch.tensor(3),
    }
    networks.build("resnet-translator", {**references("resnet-translator").weights, **statistics})


def test_a_dcgan_takes_its_classes_in_any_form(references):
    reference = references("cdcgan128")
    network = networks.build("dcgan128", reference.weights)
    z, classes = reference.inputs
    for latent in (z, z[:, :, 0, 0]):
        for form in (classes, classes.float(), classes[:, None], classes[:, None].double()):
            assert reference.error(run(network, latent, form)) <= 1e-4
    assert reference.error(run(network, z, 1 - classes)) > 1e-3


def test_a_dcgan_is_not_run_with_or_without_classes_against_its_kind(references):
    conditional = networks.build("cdcgan128", references("cdcgan128").weights)
    plain = networks.build("dcgan128", references("dcgan128").weights)
    with pytest.raises(ValueError, match="needs the class of each image"):
        run(conditional, torch.zeros(1, 100))
    with pytest.raises(ValueError, match="has no classes"):
        run(plain, torch.zeros(1, 100), torch.zeros(1))
    with pytest.raises(WeightsError, match=r"a DCGAN generator with classes: embed_nn\.1\.weight"):
        networks.build("cdcgan128", references("dcgan128").weights)


def test_parts_of_a_dcgan_checkpoint_that_make_no_image_may_be_absent_or_different(references):
    reference = references("dcgan128")
    unused = ("first_layers.", "embed_nn.")
    needed = {k: v for k, v in reference.weights.items() if not k.startswith(unused)}
    for more in ({}, {"embed_nn.0.weight": torch.ones(2, 1), "embed_nn.0.bias": torch.ones(2)}):
        network = networks.build("dcgan128", {**needed, **more})
        assert reference.error(run(network, *reference.inputs)) <= 1e-4


def test_leakiness_is_that_of_the_embedding_or_of_the_features():
    for name in ("cdcgan128", "dcgan128-leaky"):
        make, inputs = SMALL[name]
        state, arrays = lively(make()).state_dict(), inputs()
        default = run(networks.build(name, state), *arrays)
        assert not torch.equal(run(networks.build(name, state, leakiness=0.9), *arrays), default)


def test_the_step_of_a_progressive_gan_chooses_the_size(references):
    reference = references("pggan-polyp")
    z = reference.inputs[0][:1]
    for step in range(1, 7):
        network = networks.build("pggan-polyp", reference.weights, step=step)
        assert run(network, z).shape == (1, 4, 4 * 2**step, 4 * 2**step)


def test_the_alpha_of_a_progressive_gan_blends_with_the_step_before(references):
    reference = references("pggan-polyp")
    z = reference.inputs[0][:1]

    def image(**settings):
        return run(networks.build("pggan-polyp", reference.weights, **settings), z)

    smaller = interpolate(image(step=2), scale_factor=2, mode="bilinear", align_corners=False)
    expected = 0.7 * smaller + 0.3 * image(step=3)
    assert torch.allclose(image(step=3, alpha=0.3), expected, rtol=1e-4, atol=1e-4)
    assert torch.allclose(image(step=3, alpha=0), smaller, rtol=1e-4, atol=1e-4)
    # The first step has none before it.
    assert torch.equal(image(step=1, alpha=0.3), image(step=1))
    assert torch.equal(image(step=2, tanh=True), image(step=2).tanh())


def test_whether_a_progressive_gan_normalises_is_told_by_its_keys(references):
    with pytest.raises(HubError, match="pixel_norm is True, but it is False in the pggan-polyp"):
        networks.build("pggan-polyp", references("pggan-polyp").weights, pixel_norm=True)
    state = SMALL["pggan-polyp"][0]().state_dict()
    networks.build("pggan-polyp", state, pixel_norm=True)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_the_alpha_of_the_chest_network_blends_with_the_scale_before(mode):
    state = lively(PgganChest(5, (6, 4, 3), 2)).state_dict()
    coarse = {
        key: value
        for key, value in state.items()
        if not key.startswith(("ScaleBlocks.1.", "toRGB.2."))
    }
    z = torch.randn(2, 5)

    def image(weights, **settings):
        return run(networks.build("pggan-chest", weights, mode=mode, **settings), z)

    expected = 0.3 * interpolate(image(coarse), scale_factor=2, mode=mode) + 0.7 * image(state)
    assert torch.allclose(image(state, alpha=0.3), expected, atol=1e-5)


def test_the_chest_network_may_do_without_norms():
    original = lively(PgganChest(5, (6, 4), norm_layers=False))
    rebuilt = networks.build("pggan-chest", original.state_dict(), norm_layers=False)
    z = torch.randn(2, 5, 1, 1)
    assert torch.equal(run(original, z), run(rebuilt, z))
    # Norms take a place among the keys.
    with pytest.raises(WeightsError, match=r"convolv\.3\.module\.weight"):
        networks.build("pggan-chest", original.state_dict())


def test_dropout_changes_no_image(references):
    reference = references("unet256")
    network = networks.build("unet256", reference.weights, dropout=False)
    assert reference.error(run(network, *reference.inputs)) <= 1e-4


def test_a_pyramid_needs_as_many_sizes_as_scales(references):
    reference = references("singan-pyramid")
    for wrong, said in [
        ({"sizes": [[25, 27]]}, "1 sizes are given for 3 scales"),
        ({"noise_amplitudes": "loud"}, "must be numbers"),
        ({"noise_amplitudes": [1.0]}, "of 3 scales comes with 1 amplitudes"),
        ({"scale_factor": 0.0}, "it must be between 0 and 1"),
    ]:
        with pytest.raises(WeightsError, match=said):
            networks.build("singan-pyramid", reference.weights, **{**reference.settings, **wrong})


def test_spectral_norms_can_be_folded_into_the_weights(references):
    reference = references("fastgan-polyp")
    network = fold_spectral_norm(networks.build("fastgan-polyp", reference.weights))
    assert reference.error(run(network, *reference.inputs)) <= 1e-4
    assert not [key for key in network.state_dict() if key.endswith(("_orig", "_u", "_v"))]


def test_the_noise_of_fastgan_follows_the_random_state_of_pytorch(references):
    reference = references("fastgan-polyp")
    network = networks.build("fastgan-polyp", reference.weights, noise=True)
    images = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        images.append(run(network, reference.inputs[0][:1]))
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_fastgan_takes_the_noise_of_each_sample(references):
    reference = references("fastgan-polyp")
    network = networks.build("fastgan-polyp", reference.weights, noise=True)
    z = reference.inputs[0]
    assert network.noise_sizes == (8, 8, 32, 32, 128, 128)
    zeros = [torch.zeros(2, 1, size, size) for size in network.noise_sizes]
    assert reference.error(run(network, z, *zeros)) <= 1e-4

    # What PyTorch draws for one image, in the same order.
    torch.manual_seed(5)
    maps = [torch.randn(1, 1, size, size) for size in network.noise_sizes]
    torch.manual_seed(5)
    drawn = run(network, z[:1])
    assert torch.equal(run(network, z[:1], *maps), drawn)
    other = [torch.cat([one, torch.randn_like(one)]) for one in maps]
    assert torch.allclose(run(network, z, *other)[:1], drawn, atol=1e-4 * drawn.abs().max())


def test_fastgan_refuses_noise_that_it_does_not_take():
    state = SMALL["fastgan-polyp"][0]().state_dict()
    z = torch.randn(1, 5)
    silent = networks.build("fastgan-polyp", state)
    assert silent.noise_sizes == ()
    with pytest.raises(ValueError, match="noise of 8 pixels is given; this FastGAN takes none"):
        silent(z, torch.zeros(1, 1, 8, 8))
    noisy = networks.build("fastgan-polyp", state, noise=True)
    with pytest.raises(ValueError, match=r"noise of 8, 8 pixels is given; .* takes 8, 8, 32, 32"):
        noisy(z, torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))


def test_fastgan_of_less_than_64_pixels_has_no_gates():
    original = lively(FastGan(5, 2, {4: 4, 8: 4, 16: 2, 32: 2}))
    rebuilt = networks.build("fastgan-polyp", original.state_dict())
    z = torch.randn(3, 5)
    assert run(rebuilt, z).shape == (3, 2, 32, 32)
    assert torch.equal(run(original, z), run(rebuilt, z))


def test_building_a_network_loads_neither_pytorchs_compiler_nor_sympy():
    """Either takes as long to import as PyTorch, before the first sample."""
    code = (
        "import sys\nfrom medigan_hub import networks\n"
        f"for name in {list(SMALL)}:\n"
        "    networks.build(name, networks.by_name()[name].small().state_dict())\n"
        "print(sorted({'torch._dynamo', 'sympy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
