"""The generator networks, each as one function of its checkpoint's tensors.

Written for the stand-ins alone, from the descriptions that come with the
reference vectors: the hub's own networks are held against them.
"""

import math

import torch
import torch.nn.functional as nnf


def numbers(tensors, prefix, ending=".weight"):
    """Return the numbers of the layers below a prefix, in order."""
    names = [key[len(prefix) :].split(".")[0] for key in tensors if key.startswith(prefix)]
    return sorted({int(name) for name in names if name.isdigit()})


def batch_norm(x, tensors, name):
    """Normalise by running statistics."""
    kinds = ("running_mean", "running_var", "weight", "bias")
    return nnf.batch_norm(x, *(tensors[f"{name}.{kind}"] for kind in kinds))


def dcgan(tensors, z, prefix, leak=0.0):
    """Make (N, channels, size, size) from (N, nz, 1, 1)."""
    layers = [n for n in numbers(tensors, prefix) if tensors[f"{prefix}{n}.weight"].ndim == 4]
    x = z
    for n in layers:
        stride = 1 if n == layers[0] else 2
        x = nnf.conv_transpose2d(x, tensors[f"{prefix}{n}.weight"], None, stride, stride - 1)
        if n != layers[-1]:
            x = nnf.leaky_relu(batch_norm(x, tensors, f"{prefix}{n + 1}"), leak)
    return torch.tanh(x)


def conditional_dcgan(tensors, z, condition):
    """Make an image of a class, (N,) whole numbers."""
    words = tensors["embed_nn.0.weight"][condition]
    words = nnf.linear(words, tensors["embed_nn.1.weight"], tensors["embed_nn.1.bias"])
    words = nnf.leaky_relu(words, 0.1)[:, :, None, None]
    return dcgan(tensors, torch.cat([z, words], dim=1), "main.")


def conv(x, tensors, name, pad=0, stride=1, mode="constant"):
    """Pad and convolve."""
    x = nnf.pad(x, (pad,) * 4, mode=mode)
    return nnf.conv2d(x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"), stride)


def translator(tensors, x):
    """Translate (N, channels, height, width) in [-1, 1]."""
    layers = numbers(tensors, "model.")
    blocks = [n for n in layers if f"model.{n}.conv_block.1.weight" in tensors]
    plain = [n for n in layers if f"model.{n}.weight" in tensors]
    x = nnf.relu(nnf.instance_norm(conv(x, tensors, f"model.{plain[0]}", 3, mode="reflect")))
    for n in (n for n in plain[1:] if n < blocks[0]):
        x = nnf.relu(nnf.instance_norm(conv(x, tensors, f"model.{n}", 1, 2)))
    for n in blocks:
        name = f"model.{n}.conv_block"
        y = nnf.relu(nnf.instance_norm(conv(x, tensors, f"{name}.1", 1, mode="reflect")))
        x = x + nnf.instance_norm(conv(y, tensors, f"{name}.5", 1, mode="reflect"))
    for n in (n for n in plain[:-1] if n > blocks[-1]):
        weight, bias = tensors[f"model.{n}.weight"], tensors[f"model.{n}.bias"]
        x = nnf.conv_transpose2d(x, weight, bias, 2, 1, 1)
        x = nnf.relu(nnf.instance_norm(x))
    return torch.tanh(conv(x, tensors, f"model.{plain[-1]}", 3, mode="reflect"))


def unet(tensors, x):
    """Draw (N, channels, 256, 256) from the same."""
    x = conv(x, tensors, "model.model.0", 1, 2)
    x = torch.cat([x, _unet_level(tensors, x, "model.model.1.model.")], dim=1)
    return torch.tanh(_grow(tensors, x, "model.model.3"))


def _unet_level(tensors, x, prefix):
    x = conv(nnf.leaky_relu(x, 0.2), tensors, f"{prefix}1", 1, 2)
    if f"{prefix}5.weight" not in tensors:
        return batch_norm(_grow(tensors, x, f"{prefix}3"), tensors, f"{prefix}4")
    x = batch_norm(x, tensors, f"{prefix}2")
    x = torch.cat([x, _unet_level(tensors, x, f"{prefix}3.model.")], dim=1)
    return batch_norm(_grow(tensors, x, f"{prefix}5"), tensors, f"{prefix}6")


def _grow(tensors, x, name):
    weight, bias = tensors[f"{name}.weight"], tensors.get(f"{name}.bias")
    return nnf.conv_transpose2d(nnf.relu(x), weight, bias, 2, 1)


def inpainter(tensors, brain_blank, mask):
    """Fill four slices, (N, 4, height, width) in [0, 1]."""

    def unit(x, name, stride=1, active=True):
        kernel = tensors[f"{name}.conv.0.weight"].shape[-1]
        x = nnf.instance_norm(conv(x, tensors, f"{name}.conv.0", kernel // 2, stride))
        return nnf.relu(x) if active else x

    def block(x, name):
        return x + unit(unit(x, f"{name}.conv_block.0"), f"{name}.conv_block.1", active=False)

    x = unit(torch.cat([brain_blank, mask], dim=1), "model_initial.0", 2)
    x = unit(x, "model_initial.1", 2)
    for n in (2, 3, 4):
        x = block(x, f"model_initial.{n}")
    y = unit(unit(mask, "model_Mask.0", 2), "model_Mask.1", 2)
    both = torch.cat([x, y], dim=1)
    made = []
    for sequence in ("F", "T1", "T1c", "T2"):
        x, name = both, f"model_{sequence}"
        for first in (0, 3, 6):
            x = nnf.interpolate(x, scale_factor=2, mode="nearest") if first else x
            x = block(unit(x, f"{name}.{first}"), f"{name}.{first + 1}")
        made.append(unit(x, f"{name}.8"))
    return torch.cat(made, dim=1)


def pixel_norm(x):
    """Divide by the root mean square over channels."""
    return x / torch.sqrt((x**2).mean(dim=1, keepdim=True) + 1e-8)


def progressive_polyp(tensors, z, step):
    """Make (N, 4, size, size), size 4 times two to the step, from (N, nz)."""

    def equal(name):
        weight = tensors[f"{name}.conv.weight_orig"]
        return weight * math.sqrt(2 / (weight.shape[1] * weight.shape[2] * weight.shape[3]))

    def twice(x, name):
        for n in (0, 2):
            x = nnf.conv2d(x, equal(f"{name}.{n}"), tensors[f"{name}.{n}.conv.bias"], padding=1)
            x = nnf.leaky_relu(x, 0.1)
        return x

    x = nnf.conv_transpose2d(
        z[:, :, None, None], equal("input_layer.0"), tensors["input_layer.0.conv.bias"]
    )
    x = twice(nnf.leaky_relu(pixel_norm(x), 0.1), "progression_4.conv")
    for level in range(1, step + 1):
        x = nnf.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = twice(x, f"progression_{4 * 2**level}.conv")
    name = f"to_rgb_{4 * 2**step}"
    return nnf.conv2d(x, equal(name), tensors[f"{name}.conv.bias"])


def progressive_chest(tensors, z):
    """Make (N, channels, size, size) from (N, nz)."""

    def scaled(name):
        weight = tensors[f"{name}.module.weight"]
        return weight, tensors[f"{name}.module.bias"], math.sqrt(2 / weight[0].numel())

    def unit(x, name):
        weight, bias, share = scaled(name)
        x = (nnf.conv2d(x, weight, None, padding=1) + bias[:, None, None]) * share
        return pixel_norm(nnf.leaky_relu(x, 0.2))

    weight, bias, share = scaled("latent_linear.0")
    x = nnf.leaky_relu((pixel_norm(z) @ weight.T + bias) * share, 0.2)
    x = unit(x.reshape(len(z), -1, 4, 4), "init_conv.0")
    levels = numbers(tensors, "ScaleBlocks.")
    for n in levels:
        x = nnf.interpolate(x, scale_factor=2, mode="nearest")
        x = unit(unit(x, f"ScaleBlocks.{n}.convolv.0"), f"ScaleBlocks.{n}.convolv.3")
    weight, bias, share = scaled(f"toRGB.{len(levels)}")
    return (nnf.conv2d(x, weight) + bias[:, None, None]) * share


def fastgan(tensors, z):
    """Make (N, 4, 256, 256) from (N, nz), with noise from PyTorch's random state."""

    def spectral(name, transposed=False):
        weight = tensors[f"{name}.weight_orig"]
        matrix = (weight.transpose(0, 1) if transposed else weight).flatten(1)
        return weight / (tensors[f"{name}.weight_u"] @ matrix @ tensors[f"{name}.weight_v"])

    def grown(x, size):
        name, places = f"feat_{size}", ((1, 2, 3), (5, 6, 7))
        x = nnf.interpolate(x, scale_factor=2, mode="nearest")
        if f"{name}.5.weight_orig" not in tensors:
            places = ((1, None, 2),)
        for first, noise, norm in places:
            x = nnf.conv2d(x, spectral(f"{name}.{first}"), padding=1)
            if noise is not None:
                maps = torch.randn(len(x), 1, *x.shape[2:])
                x = x + tensors[f"{name}.{noise}.weight"] * maps
            x = nnf.glu(batch_norm(x, tensors, f"{name}.{norm}"), dim=1)
        return x

    x = nnf.conv_transpose2d(z[:, :, None, None], spectral("init.init.0", transposed=True))
    features = {4: nnf.glu(batch_norm(x, tensors, "init.init.1"), dim=1)}
    size = 8
    while f"feat_{size}.1.weight_orig" in tensors:
        features[size] = grown(features[size // 2], size)
        if f"se_{size}.main.1.weight_orig" in tensors:
            gate = nnf.adaptive_avg_pool2d(features[size // 16], 4)
            gate = nnf.silu(nnf.conv2d(gate, spectral(f"se_{size}.main.1")))
            gate = torch.sigmoid(nnf.conv2d(gate, spectral(f"se_{size}.main.3")))
            features[size] = features[size] * gate
        size *= 2
    return nnf.conv2d(features[size // 2], spectral("to_big"), padding=1)
