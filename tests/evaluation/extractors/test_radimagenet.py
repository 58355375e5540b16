"""RadImageNet's features: medigan's own way with OpenCV and Keras, and the port to PyTorch."""

from __future__ import annotations

import pickle
import shutil

import cv2
import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from medigan_hub.errors import RequestError, WeightsError
from medigan_hub.evaluation import extractors
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.hashes import sha256_of
from medigan_hub.networks.resnet50 import ResNet50
from medigan_hub.runtimes.tensorflow import import_tensorflow

pytestmark = pytest.mark.slow


def network(name):
    """Return one of Keras's networks with random weights, statistics of batches included."""
    import_tensorflow()
    import keras

    keras.utils.set_random_seed(7)
    build = getattr(keras.applications, name)
    made = build(weights=None, include_top=False, pooling="avg", input_shape=(299, 299, 3))
    rng = np.random.default_rng(7)
    for layer in made.layers:
        if "bn" in layer.name or "batch_normalization" in layer.name:
            near_one = [rng.uniform(0.8, 1.2, each.shape) for each in layer.get_weights()]
            layer.set_weights(near_one)
    return made


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    made = network("InceptionV3")
    path = tmp_path_factory.mktemp("inception") / "InceptionV3_notop.h5"
    made.save(path)
    return made, extractors.find("radimagenet", path)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    made = network("ResNet50")
    path = tmp_path_factory.mktemp("resnet") / "ResNet50_notop.h5"
    made.save(path)
    return made, path


@pytest.fixture(scope="module")
def ported(resnet):
    """The same ResNet50 by PyTorch's names."""
    tensors = {}
    for layer in resnet[0].layers:
        for value in layer.weights:
            part, kind = torch_name(layer.name), value.name
            array = np.asarray(value)
            if kind == "kernel":
                array = array.transpose(3, 2, 0, 1)
            tensors[f"{part}.{KINDS[kind]}"] = torch.from_numpy(array.copy())
    return tensors


KINDS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def torch_name(name):
    """Return PyTorch's name of a layer: conv2_block1_0_bn is layer1.0.downsample.1."""
    *block, kind = name.split("_")
    if len(block) == 1:
        return f"{kind}1"
    stage, number = int(block[0][4:]) - 1, int(block[1][5:]) - 1
    part = f"downsample.{int(kind == 'bn')}" if block[2] == "0" else f"{kind}{block[2]}"
    return f"layer{stage}.{number}.{part}"


def pictures(count, seed):
    """Small grey and colour pictures, of several sizes."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        height, width = rng.integers(30, 120, 2)
        low = rng.integers(20, 60 + 20 * seed, (6, 5, 3), dtype=np.uint8)
        if number % 2:
            low = low[:, :, :1].repeat(3, axis=-1)
        smooth = cv2.resize(low, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)
        yield smooth if number % 2 == 0 else smooth[:, :, 0]


def distance(real, synthetic):
    """Fréchet distance of two sets of features, exact where these outnumber the images."""
    (mean_a, a), (mean_b, b) = (
        (each.mean(0), (each - each.mean(0)) / np.sqrt(len(each) - 1))
        for each in (real.astype(np.float64), synthetic.astype(np.float64))
    )
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return ((mean_a - mean_b) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * shared


@pytest.mark.parametrize("is_normalized", [False, True])
def test_medigan_s_way_gives_what_its_script_gives(inception, tmp_path, is_normalized):
    made, extractor = inception
    prepare = Preparation(is_normalized, protocol="medigan")
    ours, theirs = [], []
    for seed in (1, 2):
        files = [tmp_path / f"{seed}-{number}.png" for number in range(4)]
        for file, picture in zip(files, pictures(4, seed), strict=True):
            Image.fromarray(picture).save(file)
        images = [np.atleast_3d(np.asarray(Image.open(file))) for file in files]
        ours.append(extractor.features([prepare(image, extractor) for image in images]))
        theirs.append(by_script(made, files, is_normalized))
    assert ours[0].shape == (4, 2048)
    assert distance(*theirs) > 0
    assert distance(*ours) == pytest.approx(distance(*theirs), rel=0.005)


def by_script(made, files, is_normalized):
    """What medigan's script does, with OpenCV and Keras alone."""
    images = []
    for file in files:
        image = cv2.resize(cv2.imread(file), (299, 299), interpolation=cv2.INTER_LINEAR)
        if is_normalized:
            image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
        images.append(image)
    return np.asarray(made(np.array(images, np.float32) / 127.5 - 1, training=False))


def fractions(count=2):
    return list(np.random.default_rng(3).random((count, 299, 299, 3), np.float32))


def test_which_network_it_is_stands_in_the_file(resnet, tmp_path):
    """Weights alone, as Keras 2 writes them, do as well as a whole model."""
    made, whole = resnet
    weights = tmp_path / "weights.h5"
    with h5py.File(whole) as source, h5py.File(weights, "w") as target:
        for name in source["model_weights"]:
            source.copy(f"model_weights/{name}", target)
        for name, value in source["model_weights"].attrs.items():
            target.attrs[name] = value
    images = fractions()
    want = np.asarray(made(np.stack(images) * 2 - 1, training=False))
    for path in (whole, weights):
        extractor = extractors.find("radimagenet", path)
        assert extractor.missing() is None
        assert extractor.weights == sha256_of(path)
        np.testing.assert_allclose(extractor.features(images), want, rtol=1e-4, atol=1e-5)


def test_a_resnet50_ported_from_keras_gives_the_same(resnet, ported, tmp_path):
    images = fractions()
    want = np.asarray(resnet[0](np.stack(images) * 2 - 1, training=False))
    path = tmp_path / "ported.pth"
    torch.save({"state_dict": ported}, path)
    found = extractors.find("radimagenet", path).features(images)
    np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-4)


def renamed(tensors, *, prefix):
    """Return tensors by the places of the parts in a row, as RadImageNet publishes them."""
    places = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
    parts = {key: key.partition(".") for key in tensors}
    return {f"{prefix}{places[parts[key][0]]}.{parts[key][2]}": tensors[key] for key in tensors}


def test_names_of_torchvision_and_of_radimagenet_are_of_one_network(tmp_path):
    torch.manual_seed(7)
    made = ResNet50().eval()
    # torchvision states 25,557,032 for its ResNet50, 2,049,000 of which are the classifier's.
    assert sum(each.numel() for each in made.parameters()) == 25_557_032 - 2_049_000
    images = fractions(1)
    with torch.inference_mode():
        want = made(torch.from_numpy(images[0] * 2 - 1).movedim(-1, 0)[None]).numpy()
    tensors = made.state_dict()
    classifier = {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    for layout in (
        tensors | classifier,
        {f"module.{key}": tensor for key, tensor in (tensors | classifier).items()},
        renamed(tensors, prefix="backbone."),
        {key: each for key, each in tensors.items() if not key.endswith("batches_tracked")},
    ):
        path = tmp_path / "resnet.pt"
        torch.save(layout, path)
        found = extractors.find("radimagenet", path).features(images)
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


def test_without_weights_it_says_where_they_are_to_be_had():
    extractor = extractors.find("radimagenet")
    words = str(extractor.missing())
    assert "licence is unstated" in words
    assert "links to them have broken" in words
    assert "weights={'radimagenet': FILE}" in words
    with pytest.raises(WeightsError, match="by hand"):
        extractor.open()


def test_the_study_that_contradicts_the_paper_is_noted():
    (note,) = extractors.find("radimagenet").notes
    assert "2311.13717" in note


def test_a_file_that_is_not_there_is_said_before_anything_is_opened(tmp_path):
    extractor = extractors.find("radimagenet", tmp_path / "nothing.h5")
    assert "there is no file" in str(extractor.missing())
    with pytest.raises(WeightsError, match=r"nothing\.h5"):
        _ = extractor.weights


def test_another_network_of_keras_is_refused(inception, tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file.create_group("model_weights/dense")
    with pytest.raises(WeightsError, match="neither the layers of InceptionV3 nor those of"):
        extractors.find("radimagenet", path).open()
    shutil.copy(inception[1].file, path)
    with h5py.File(path, "a") as file:
        layers = file["model_weights"]
        layers.attrs["layer_names"] = layers.attrs["layer_names"][:100]
    with pytest.raises(WeightsError, match=r"other\.h5 does not fit the network"):
        extractors.find("radimagenet", path).open()


def test_weights_that_lie_in_another_file_are_refused(tmp_path):
    path = tmp_path / "link.h5"
    with h5py.File(path, "w") as file:
        file["model_weights"] = h5py.ExternalLink("elsewhere.h5", "/")
    with pytest.raises(WeightsError, match="a part of it is a link"):
        extractors.find("radimagenet", path).open()


def test_a_file_of_keras_by_another_name_is_to_be_renamed(inception, tmp_path):
    path = tmp_path / "weights.bin"
    shutil.copy(inception[1].file, path)
    assert "rename it" in str(extractors.find("radimagenet", path).missing())


@pytest.mark.parametrize(
    "held", [{"features.conv0.weight": torch.zeros(64, 3, 7, 7)}, {}, [1, 2], {"state_dict": 5}]
)
def test_another_checkpoint_of_pytorch_is_refused(held, tmp_path):
    path = tmp_path / "DenseNet121.pt"
    torch.save(held, path)
    words = r"DenseNet121.pt can't be used: .* not those of a ResNet50: .*; RadImageNet's"
    with pytest.raises(WeightsError, match=words):
        extractors.find("radimagenet", path).open()


class Hostile:
    def __reduce__(self):
        return (print, ("code was run",))


def test_a_checkpoint_runs_no_code(tmp_path, capfd):
    path = tmp_path / "hostile.pt"
    torch.save({"conv1.weight": Hostile()}, path, pickle_module=pickle)
    with pytest.raises(WeightsError, match="refused"):
        extractors.find("radimagenet", path).open()
    assert "code was run" not in capfd.readouterr().out


def test_weights_that_give_no_numbers_are_refused(ported, tmp_path):
    broken = ported | {"bn1.weight": torch.full((64,), torch.nan)}
    path = tmp_path / "broken.pt"
    torch.save(broken, path)
    with pytest.raises(WeightsError, match="features that are no numbers"):
        extractors.find("radimagenet", path).features(fractions(1))


def test_others_take_no_weights(tmp_path):
    with pytest.raises(RequestError, match="takes no weights"):
        extractors.find("radiomics", tmp_path / "x.h5")
