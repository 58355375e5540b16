"""Which of the hub's networks a checkpoint belongs to, told by its tensors, and what they tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medigan_hub import networks
from medigan_hub.errors import HubError, RequestError, WeightsError, close_to, require
from medigan_hub.weights import read_checkpoint

if TYPE_CHECKING:
    from torch import Tensor, nn

GENERATOR = re.compile(
    r"g|g_?ema|ema|net_?g\w*|gen|generator\w*|g_[ab]\w*|model_ema", re.IGNORECASE
)
OTHER = re.compile(
    r"d|d_[ab]|net_?d\w*|dis|discriminator\w*|critic\w*|opt\w*|\w*sched\w*", re.IGNORECASE
)
"""What checkpoints call the parts that make no images."""
DEEPEST = 3
"""How many names may stand above the tensors of a network."""
MOST_GROUPS = 200
"""Groups of tensors that are looked at."""
NOISE, CLASS = "noise-to-image", "class-to-image"
IMAGE = ("image-to-image", "mask-to-image", "inpainting")


@dataclass(frozen=True)
class Facts:
    """What a package says of its network."""

    tasks: tuple[str, ...]
    """Those that the network can be for, the likeliest first."""
    architecture: str
    size: tuple[int, int]
    """Height and width of an image; where they follow the input, those by default."""
    channels: int
    """Of all that the network returns."""
    latent: int | None = None
    input_channels: int = 1
    classes: int = 0
    multiple: int = 1
    minimum: int = 1
    scales: int = 0
    factor: float = 0.0


@dataclass(frozen=True)
class Family:
    """How networks of one layout are called."""

    architecture: str
    facts: Callable[[str, str, Any], Facts]
    small: Callable[[], nn.Module]
    """Makes a small one with random weights."""


@dataclass(frozen=True, eq=False)
class Recognised:
    """The tensors of a generator, and the network that they belong to."""

    network: str
    others: tuple[str, ...]
    """Networks that they fit as well."""
    place: str
    """Where in the checkpoint they are; nothing where they are all of it."""
    tensors: Mapping[str, Tensor]
    facts: Facts


def read(path: Path) -> list[tuple[str, dict[str, Tensor]]]:
    """Return the groups of tensors in a checkpoint, a generator's before others, and their places.

    Raises
    ------
    WeightsError
        It can't be read without running code, or has no tensors by name.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is no file; name a checkpoint of PyTorch or safetensors")
    found = list(islice(_groups(read_checkpoint(path), (), DEEPEST, {}), MOST_GROUPS))
    if not found:
        raise WeightsError(
            f"{path} holds no tensors by name; save the network's own: "
            "torch.save(network.state_dict(), FILE)"
        )
    return found


def recognise(
    groups: Sequence[tuple[str, Mapping[str, Tensor]]], wanted: str | None = None
) -> Recognised | None:
    """Return the first group that is one of the hub's networks, or None.

    Parameters
    ----------
    groups
        As ``read`` returns them.
    wanted
        The network that is to be taken where several fit.

    Raises
    ------
    RequestError
        The tensors are those of other networks than the wanted one.
    """
    fitting: set[str] = set()
    for place, tensors in groups:
        found = {name: module for name in networks.NAMES if (module := _built(name, tensors))}
        fitting.update(found)
        names = list(found) if wanted is None else [name for name in found if name == wanted]
        if names:
            name = names[0]
            module = found[name]
            return Recognised(
                network=name,
                others=tuple(other for other in found if other != name),
                place=place,
                tensors=_tensors(module),
                facts=measure(name, module),
            )
    if wanted is not None:
        known = f"they are those of {', '.join(sorted(fitting))}" if fitting else "of no other too"
        raise RequestError(f"the tensors are not those of the network {wanted}; {known}")
    return None


def small(name: str) -> Recognised:
    """Return a small network of a name, with random weights that are the same every time.

    Raises
    ------
    RequestError
        The hub has no such network.
    MissingDependencyError
        PyTorch is not installed.
    """
    family = family_of(name)
    torch = require("torch", extra="torch", purpose=f"making small weights for {name}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = family.small()
        for layer in module.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = None  # of all samples alike
                torch.nn.init.constant_(layer.weight, 4)  # so that images have some contrast
        # So that what is normalised over samples has seen some.
        with torch.no_grad():
            for _ in range(8):
                module.train()(*_example(name, module, 8))
        tensors = _tensors(module.eval())
        return Recognised(name, (), "", tensors, measure(name, networks.build(name, tensors)))


def family_of(name: str) -> Family:
    """Return what is known of a network of the hub.

    Raises
    ------
    RequestError
        There is none of this name.
    """
    if name not in FAMILIES:
        close = close_to(name, FAMILIES) or list(FAMILIES)
        raise RequestError(f"there is no network {name!r}; use own, or {', '.join(close)}")
    return FAMILIES[name]


def tasks_of(name: str) -> tuple[str, ...]:
    """Return what a network of the hub can be for."""
    if name == "inpaint-multimodal":
        return ("inpainting",)
    if name == "cdcgan128":
        return (CLASS,)
    return IMAGE if name in _TRANSLATORS else (NOISE,)


def measure(name: str, module: Any) -> Facts:
    """Return what a network tells of itself, once it has made an image."""
    family = family_of(name)
    return family.facts(name, family.architecture, module)


def _groups(
    value: Any, above: tuple[str, ...], deeper: int, seen: dict[int, tuple[int, Any]]
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    # One table may be in a file a million times; it is looked at once, as deep as ever.
    if seen.get(id(value), (-1, None))[0] >= deeper:
        return
    seen[id(value)] = deeper, value
    if isinstance(value, (list, tuple)):
        value = {str(place): item for place, item in enumerate(value[:32])}
    if not isinstance(value, Mapping):
        return
    tensors = {
        str(name): item.detach() for name, item in value.items() if isinstance(item, torch.Tensor)
    }
    if tensors:
        yield ".".join(above), tensors
    inner: dict[str, Any] = {
        str(name): item for name, item in value.items() if isinstance(item, (Mapping, list, tuple))
    }
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        if dot:
            group = inner.setdefault(first, {})
            if isinstance(group, dict):
                group[rest] = tensor
    if deeper:
        for name in sorted(inner, key=_rank):
            yield from _groups(inner[name], (*above, name), deeper - 1, seen)


def likeliest(groups: Sequence[tuple[str, dict[str, Tensor]]]) -> tuple[str, dict[str, Tensor]]:
    """Return the group that a generator's tensors are most likely in, where none is recognised."""
    named = [group for group in groups if GENERATOR.fullmatch(group[0].rpartition(".")[2])]
    return (named or list(groups))[0]


def _rank(name: str) -> int:
    return 0 if GENERATOR.fullmatch(name) else 2 if OTHER.fullmatch(name) else 1


def _built(name: str, tensors: Mapping[str, Tensor]) -> Any:
    try:
        return networks.build(name, tensors)
    except HubError:
        return None
    except Exception:  # whatever a foreign layout trips over, it is another network's
        return None


def _tensors(module: Any) -> dict[str, Tensor]:
    """Return all that ``networks.build`` makes the module from again."""
    tensors = module.tensors() if hasattr(module, "tensors") else module.state_dict()
    return {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}


def _run(module: Any, *inputs: Any) -> tuple[int, int, int]:
    """Return channels, height and width of what a network makes."""
    import torch

    with torch.inference_mode():
        _, channels, height, width = module(*inputs).shape
    return channels, height, width


def _example(name: str, module: Any, count: int) -> tuple[Tensor, ...]:
    """Return random inputs for some samples of a small network."""
    import torch

    hyper = module.hyperparameters
    if name.startswith("singan"):
        if name == "singan-scale":
            return torch.randn(count, 1, 32, 32), torch.zeros(count, 1, 32, 32)
        return tuple(torch.randn(count, 1, size, size) for size in (16, 32))
    if name == "inpaint-multimodal":
        return torch.rand(count, 4, 32, 32), torch.rand(count, 1, 32, 32)
    if name in _TRANSLATORS:
        return (2 * torch.rand(count, hyper["input_nc"], 32, 32) - 1,)
    latent = torch.randn(count, hyper.get("nz", hyper.get("z_dim")))
    if hyper.get("n_cond"):
        return latent, torch.arange(count) % hyper["n_cond"]
    return (latent,)


def _of_noise(name: str, architecture: str, module: Any) -> Facts:
    hyper = module.hyperparameters
    channels, *size = _run(module, *_example(name, module, 1))
    return Facts(
        tasks=(CLASS,) if hyper.get("n_cond") else (NOISE,),
        architecture=f"conditional {architecture}" if hyper.get("n_cond") else architecture,
        size=(size[0], size[1]),
        channels=channels,
        latent=hyper.get("nz", hyper.get("z_dim")),
        classes=hyper.get("n_cond") or 0,
    )


def _of_images(name: str, architecture: str, module: Any) -> Facts:
    import torch

    hyper = module.hyperparameters
    halvings = hyper.get("n_downsampling", hyper.get("num_downs"))
    # A ResNet mirrors three pixels at its edges, and one where it is smallest.
    minimum = 2**halvings if "num_downs" in hyper else max(4, 2 ** (halvings + 1))
    side = max(32, minimum)
    channels, *_ = _run(module, torch.zeros(1, hyper["input_nc"], side, side))
    return Facts(
        tasks=IMAGE,
        architecture=architecture,
        size=(side, side),
        channels=channels,
        input_channels=hyper["input_nc"],
        multiple=2**halvings,
        minimum=minimum,
    )


def _of_slices(name: str, architecture: str, module: Any) -> Facts:
    channels, *size = _run(module, *_example(name, module, 1))
    return Facts(("inpainting",), architecture, (size[0], size[1]), channels)


def _of_scales(name: str, architecture: str, module: Any) -> Facts:
    import torch

    from medigan_hub.networks.singan import SinganPyramid, level_sizes

    if name == "singan-scale":
        module = SinganPyramid([module], [1.0], 0.5)
    colours = module.scales[0].channels
    sizes = level_sizes(len(module.scales), module.factor, 32, 32)
    noise = [torch.zeros(1, colours if place else 1, *size) for place, size in enumerate(sizes)]
    channels, *_ = _run(module, *noise)
    return Facts(
        tasks=(NOISE,),
        architecture=architecture,
        size=(32, 32),
        channels=channels,
        input_channels=colours,
        scales=len(module.scales),
        factor=module.factor,
    )


def _small_dcgan() -> nn.Module:
    from medigan_hub.networks.dcgan import Dcgan

    return Dcgan(8, (16, 8, 8))


def _small_conditional() -> nn.Module:
    from medigan_hub.networks.dcgan import ConditionalDcgan

    return ConditionalDcgan(8, (16, 8, 8), classes=(2, 4, 4))


def _small_leaky() -> nn.Module:
    from medigan_hub.networks.dcgan import LeakyDcgan

    return LeakyDcgan(8, (16, 8, 8))


def _small_fastgan() -> nn.Module:
    from medigan_hub.networks.fastgan import FastGan

    return FastGan(8, 1, {4: 16, 8: 8, 16: 8, 32: 8, 64: 4})


def _small_inpainter() -> nn.Module:
    from medigan_hub.networks.inpainting import Inpainter

    return Inpainter((4, 8), (2, 4), (8, 8, 4), n_blocks=1)


def _small_pggan() -> nn.Module:
    from medigan_hub.networks.pggan import Pggan

    return Pggan(8, (8, 8, 8, 4), 1, pixel_norm=True)


def _small_chest() -> nn.Module:
    from medigan_hub.networks.pggan_chest import PgganChest

    return PgganChest(8, (8, 8, 8, 4), 1)


def _small_resnet() -> nn.Module:
    from medigan_hub.networks.resnet_translator import ResnetTranslator

    return ResnetTranslator(ngf=4, n_blocks=2)


def _small_unet() -> nn.Module:
    from medigan_hub.networks.unet import UnetTranslator

    return UnetTranslator(1, 1, (4, 8, 8, 8))


def _small_scale() -> nn.Module:
    from medigan_hub.networks.singan import SinganScale

    return SinganScale(1, (8,) * 4)


def _small_pyramid() -> nn.Module:
    from medigan_hub.networks.singan import SinganPyramid, SinganScale

    return SinganPyramid([SinganScale(1, (8,) * 4) for _ in range(2)], [1.0, 0.5], 0.5)


FAMILIES = {
    "cdcgan128": Family("DCGAN", _of_noise, _small_conditional),
    "dcgan128": Family("DCGAN", _of_noise, _small_dcgan),
    "dcgan128-leaky": Family("DCGAN", _of_noise, _small_leaky),
    "fastgan-polyp": Family("FastGAN", _of_noise, _small_fastgan),
    "inpaint-multimodal": Family("inpainting GAN", _of_slices, _small_inpainter),
    "pggan-chest": Family("PGGAN", _of_noise, _small_chest),
    "pggan-polyp": Family("PGGAN", _of_noise, _small_pggan),
    "pix2pixhd-global": Family("pix2pixHD", _of_images, _small_resnet),
    "resnet-translator": Family("CycleGAN", _of_images, _small_resnet),
    "singan-pyramid": Family("SinGAN", _of_scales, _small_pyramid),
    "singan-scale": Family("SinGAN", _of_scales, _small_scale),
    "unet256": Family("pix2pix", _of_images, _small_unet),
}
"""By the names of ``networks.build``."""
_TRANSLATORS = ("pix2pixhd-global", "resnet-translator", "unet256")
