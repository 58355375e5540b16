"""Stand-ins for the archives that medigan published: the same form, small random weights.

Their code, in ``code``, is written for the tests, and knows nothing of the hub.
"""

from __future__ import annotations

import io
import json
import sys
import types
import zipfile
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from support import REFERENCE

CODE = Path(__file__).parent / "code"
AT_THE_TOP = (2, 3, 6, 9, 12, 14, 16, 18, 20, 22)
"""Models whose archive has its code at the top, not in a folder."""
SINGAN = "singan_seg_polyp/SinGAN-Generated/TrainedModels_1_clean"
SIZES = ((25, 27), (34, 36), (45, 48))


def build(document: Mapping[str, Any], folder: Path) -> Path:
    """Write the archive of a model, given its metadata document, into a folder."""
    number = int(document["medigan_id"][:5])
    published = document["archive"]
    make = _MADE[number]
    top = "" if number in AT_THE_TOP else f"{published['package']}/"
    path = folder / document["weights"][0]["files"][0]["file"]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in make(number, document["weights"][0]["files"][0]["member"]):
            archive.writestr(f"{top}{name}", content)
        for name in ("networks.py", "pictures.py"):
            archive.writestr(f"{top}{name}", (CODE / name).read_bytes())
        archive.writestr(f"{top}requirements.txt", "\n".join(published["dependencies"]))
        archive.writestr(f"{top}LICENSE", "A licence.\n")
        archive.writestr(f"{top}metadata.json", json.dumps({"id": document["medigan_id"]}))
    return path


File = tuple[str, bytes]


def _code(name: str) -> File:
    return "__init__.py", (CODE / f"{name}.py").read_bytes()


def _saved(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def _rng(*parts: object) -> np.random.Generator:
    return np.random.default_rng(list(" ".join(map(str, parts)).encode()))


def _picture(name: str, *seed: object, mode: str = "L") -> File:
    """Draw a smooth blob with some noise."""
    rng = _rng(name, *seed)
    rows, columns = np.mgrid[:96, :80]
    y, x, reach = rng.uniform(30, 60), rng.uniform(25, 50), rng.uniform(15, 30)
    blob = 190 * np.exp(-(((rows - y) / reach) ** 2) - ((columns - x) / reach) ** 2)
    values = np.clip(blob + rng.normal(20, 8, (96, 80)), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).convert(mode).save(stream, "PNG")
    return name, stream.getvalue()


def _tensors(
    reference: str, number: object, factor: int, keep_first: tuple[str, ...] = ()
) -> dict[str, torch.Tensor]:
    """Return a published layout with fewer channels, filled at random.

    Channels that ``factor`` divides at least twice are divided by it, but for the
    first axis of the tensors in ``keep_first``.
    """
    document = json.loads((REFERENCE / f"{reference}.json").read_text())
    found = {}
    for key, full in document["layout"]:
        shape = [n // factor if n % factor == 0 and n >= 2 * factor else n for n in full]
        if key in keep_first:
            shape[0] = full[0]
        found[key] = _tensor(key, shape, number, document["gain"])
    return found


def _tensor(key: str, shape: list[int], number: object, gain: str) -> torch.Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    values = _rng(number, key).standard_normal(shape).astype(np.float32)
    if key.endswith("running_var"):
        values = 1 + 0.1 * np.abs(values)
    elif len(shape) > 1:
        fan = np.prod(shape) / shape[0]
        values = values if gain == "unit" else values * np.float32(1.5 / np.sqrt(fan))
    else:
        values = 0.1 * values + np.float32(key.endswith("weight"))
    return torch.from_numpy(np.asarray(values, np.float32))


def _private(number: int, member: str) -> Iterator[File]:
    rng = _rng(number)
    weight = rng.standard_normal((100, 64)).astype(np.float32) / 10
    size = 1024 if number == 19 else 128
    yield _code("private")
    yield member, _saved({"weight": torch.from_numpy(weight), "size": torch.tensor(size)})


def _dcgan(number: int, member: str) -> Iterator[File]:
    yield _code("dcgan")
    if number == 2:
        yield member, _saved(_tensors("dcgan128-leaky", number, 9))
    else:
        yield member, _saved({"generator": _tensors("dcgan128", number, 16), "epoch": 500})


def _cdcgan(number: int, member: str) -> Iterator[File]:
    yield _code("cdcgan")
    yield member, _saved({"generator": _tensors("cdcgan128", number, 16)})
    if number == 8:
        other = _saved({"generator": _tensors("cdcgan128", "8 test", 16)})
        yield "1750_ckpt_test_cbis_ddsm.pt", other


def _translator(number: int, member: str) -> Iterator[File]:
    tensors = _tensors("resnet-translator", number, 16)
    if number == 3:  # saved by a PyTorch from before 0.4
        width = len(tensors["model.1.weight"])
        tensors["model.2.running_mean"] = torch.zeros(width)
        tensors["model.2.running_var"] = torch.ones(width)
        tensors["model.2.num_batches_tracked"] = torch.tensor(7)
    yield _code("translation")
    yield member, _saved(tensors)
    if number != 3:
        yield "latest_net_G_B.pth", _saved(_tensors("resnet-translator", f"{number} B", 16))
    for place in range(5):
        yield _picture(f"images/{place}.png", number, mode="RGB")


def _drawing(number: int, member: str) -> Iterator[File]:
    yield _code("drawing")
    yield member, _saved(_tensors("unet256", number, 16))
    for place in range(3):
        yield _picture(f"images/{place}.png", number)


def _inpainting(number: int, member: str) -> Iterator[File]:
    yield _code("inpainting")
    yield member, _saved(_tensors("inpaint-multimodal", number, 4))
    for sequence in ("F", "T1", "T1c", "T2"):
        for place in range(3):
            yield _picture(f"sample/{sequence}/{place}.png", number)


def _progressive_polyps(number: int, member: str) -> Iterator[File]:
    yield _code("polyps")
    yield member, _saved(_tensors("pggan-polyp", number, 8, ("input_layer.0.conv.weight_orig",)))


def _fastgan_polyps(number: int, member: str) -> Iterator[File]:
    tensors = _tensors("fastgan-polyp", number, 8, ("init.init.0.weight_orig",))
    for key in [key for key in tensors if key.endswith("weight_orig")]:
        weight = tensors[key].transpose(0, 1) if key.startswith("init") else tensors[key]
        matrix = weight.flatten(1)
        name = key.removesuffix("_orig")
        # The first singular vectors, which training comes close to.
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        tensors[f"{name}_u"], tensors[f"{name}_v"] = u[:, 0].clone(), v[0].clone()
    yield _code("polyps")
    yield member, _saved({"g": {f"module.{key}": value for key, value in tensors.items()}})


def _singan(number: int, member: str) -> Iterator[File]:
    models = types.ModuleType("SinGAN.models")
    source = (CODE / "singan_models.py").read_text()
    exec(compile(source, "SinGAN/models.py", "exec"), models.__dict__)  # noqa: S102 (our own file)
    yield _code("singan")
    yield "singan_seg_polyp/SinGAN/__init__.py", b""
    yield "singan_seg_polyp/SinGAN/models.py", source.encode()
    names = {"SinGAN": types.ModuleType("SinGAN"), "SinGAN.models": models}
    for checkpoint in (1, 2, 3):
        sizes = [(height + checkpoint, width) for height, width in SIZES]
        with torch.random.fork_rng():
            torch.manual_seed(checkpoint)
            scales = [models.GeneratorConcatSkip2CleanAdd(4, 8).eval() for _ in sizes]
            for layer in (layer for scale in scales for layer in scale.modules()):
                if isinstance(layer, torch.nn.Conv2d):
                    torch.nn.init.kaiming_normal_(layer.weight)
            drawn = [torch.randn(1, 4, *size) for size in sizes]
        noise = [torch.nn.functional.pad(each, (5,) * 4) for each in drawn]
        noise[0] = noise[0][:, :1].expand(1, 4, -1, -1).clone()
        parts = {"Gs": scales, "Zs": noise, "NoiseAmp": [1, 0.4, np.float64(0.3)]}
        parts["reals"] = [each.tanh() for each in drawn]
        sys.modules.update(names)
        try:
            contents = {name: _saved(part) for name, part in parts.items()}
        finally:
            for name in names:
                del sys.modules[name]
        for name, content in contents.items():
            yield f"{SINGAN}/{checkpoint}/{name}.pth", content


def _chest(number: int, member: str) -> Iterator[File]:
    depths = [8] * 7 + [4] * 2
    layout = {
        "latent_linear.0.module": [16 * depths[0], 512],
        "init_conv.0.module": [depths[0], depths[0], 3, 3],
    }
    for level, (before, width) in enumerate(pairwise(depths)):
        layout[f"ScaleBlocks.{level}.convolv.0.module"] = [width, before, 3, 3]
        layout[f"ScaleBlocks.{level}.convolv.3.module"] = [width, width, 3, 3]
    layout |= {f"toRGB.{level}.module": [3, width, 1, 1] for level, width in enumerate(depths)}
    tensors = {"current_size": 1024, "current_depth": 8, "alpha": 0}
    filled = {name: torch.tensor(value) for name, value in tensors.items()}
    for name, shape in layout.items():
        filled[f"{name}.weight"] = _tensor(f"{name}.weight", shape, number, "unit")
        filled[f"{name}.bias"] = _tensor(f"{name}.bias", shape[:1], number, "unit")
    settings = {"channel_depth": depths, "norm_layers": True, "out_channels": 3}
    settings |= {"equalize": True, "leakiness": 0.2, "mode": "nearest"}
    yield _code("chest")
    yield member, _saved({"state_dict": filled, "settings": settings})


def _sequences(number: int, member: str) -> Iterator[File]:
    yield _code("sequences")
    yield member, _saved({"weight": torch.tensor(-1.2)})
    yield "netG_T2toT1_checkpoint.pth.tar", _saved({"weight": torch.tensor(0.8)})
    for sequence in ("T1", "T2"):
        for place in range(4):
            yield _picture(f"inputs/{sequence}/{place}.png", number)


def _aging(number: int, member: str) -> Iterator[File]:
    yield _code("aging")
    yield member, b"weights in a form that is not public"
    yield _picture("sample_image.png", number)


def _contrast(number: int, member: str) -> Iterator[File]:
    yield _code("translation")
    yield member, _saved(_tensors("pix2pixhd-global", number, 8))
    for place in range(4):
        yield _picture(f"input/{place}.png", number)


_MADE: dict[int, Callable[[int, str], Iterator[File]]] = {
    **dict.fromkeys((1, 17, 18, 19), _private),
    **dict.fromkeys((2, 5, 6), _dcgan),
    **dict.fromkeys((8, 12), _cdcgan),
    **dict.fromkeys((3, 13, 14, 15, 16), _translator),
    4: _drawing,
    7: _inpainting,
    9: _progressive_polyps,
    10: _fastgan_polyps,
    11: _singan,
    20: _chest,
    21: _sequences,
    22: _aging,
    23: _contrast,
}
