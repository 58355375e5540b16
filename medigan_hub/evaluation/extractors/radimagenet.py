"""Features of RadImageNet: networks that were trained on radiological images alone.

Source: Mei et al., "RadImageNet: an open radiologic deep learning research dataset for
effective transfer learning", Radiology: Artificial Intelligence 2022
(https://doi.org/10.1148/ryai.210315).

Grey levels become -1 to 1 (x / 127.5 - 1), as medigan's script does for the InceptionV3 and
RadImageNet's own example in PyTorch does for the ResNet50; RadImageNet's examples in Keras
subtract ImageNet's means instead, and then divide by 255
(https://github.com/BMEII-AI/RadImageNet: ``acl/acl_pytorch_train.ipynb``, ``acl/acl_train.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub.errors import HubError, WeightsError, named, require
from medigan_hub.evaluation.extractors.base import Extractor
from medigan_hub.hashes import sha256_once
from medigan_hub.runtimes import Network, NetworkRuntime, Session

if TYPE_CHECKING:
    from torch import nn

HDF5 = b"\x89HDF\r\n\x1a\n"
"""How files of HDF5 begin."""
KERAS = {"InceptionV3": "mixed0", "ResNet50": "conv1_conv"}
"""The networks of Keras, each with a layer that it alone has."""
TAKEN = (
    "RadImageNet's InceptionV3 or ResNet50 of Keras (.h5), or its ResNet50 of PyTorch (.pt), "
    "is needed"
)


class RadImageNet(Extractor):
    """The 2048 means of the last maps of RadImageNet's InceptionV3 or ResNet50.

    The weights come in a file, of which network they are is read off it: HDF5 of Keras 2 (weights
    or a whole model, without the classifier), or a checkpoint of PyTorch of the ResNet50 (see
    ``networks.resnet50``).
    """

    name = "radimagenet"
    title = "RadImageNet features of InceptionV3 or ResNet50"
    takes_weights = True
    size = (299, 299)
    channels = 3
    notes = (
        "Where readers judged the images too, features of ImageNet agreed with them better than "
        "those of RadImageNet (Woodland et al., arXiv 2311.13717), against what the medigan paper "
        "expects; look at both.",
    )
    _session: Session | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return (2048,)

    @property
    def weights(self) -> str | None:
        path = self._path()
        try:
            return sha256_once(path)
        except OSError as error:
            raise _unreadable(path, error) from error

    def missing(self) -> HubError | None:
        try:
            return self._runtime().missing()
        except HubError as error:
            return error

    def open(self) -> None:
        if self._session is None:
            path = self._path()
            try:
                self._session = self._runtime().open({"network": path}, "auto", "float32")
            except WeightsError as error:
                # The network says what does not fit, and not in which file.
                words = str(error) if str(path) in str(error) else f"{path} can't be used: {error}"
                raise WeightsError(f"{words}; {TAKEN}") from error

    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        self.open()
        assert self._session is not None  # noqa: S101 (see ``open``)
        found = self._session(np.stack(images) * np.float32(2) - np.float32(1))
        if not np.isfinite(found).all():
            raise WeightsError(
                f"{self.file} makes features that are no numbers (NaN or infinite): the file is "
                f"damaged, or of another network; {TAKEN}"
            )
        return found

    def _path(self) -> Path:
        if self.file is None:
            raise WeightsError(
                "the weights of RadImageNet are not fetched, as their licence is unstated and "
                "links to them have broken: get the file by hand, from "
                "https://github.com/BMEII-AI/RadImageNet or its authors, and give it with "
                f"{named('weights', {'radimagenet': 'FILE'})}"
            )
        return self.file

    def _runtime(self) -> NetworkRuntime:
        """Return what executes the network in the file."""
        path = self._path()
        if not path.is_file():  # a pipe would be waited for
            raise WeightsError(f"there is no file {path}; {TAKEN}")
        try:
            with path.open("rb") as stream:
                start = stream.read(len(HDF5))
        except OSError as error:
            raise _unreadable(path, error) from error
        if start != HDF5:
            from medigan_hub.runtimes.torch import TorchRuntime

            return TorchRuntime(Network(_of_torch))
        if path.suffix not in (".h5", ".hdf5"):
            raise WeightsError(f"{path} is of Keras, which knows such files by .h5: rename it")
        from medigan_hub.runtimes.tensorflow import TensorflowRuntime

        return TensorflowRuntime(Network(_of_keras))


def _unreadable(path: Path, error: OSError) -> WeightsError:
    return WeightsError(f"{path} can't be read: {error.strerror or error}; {TAKEN}")


def _of_keras(path: Path) -> Any:
    """Return the network whose weights a file of HDF5 holds, which is known to be harmless."""
    import keras

    h5py = require("h5py", extra="tensorflow", purpose=f"reading {path.name}")
    with h5py.File(path, "r") as file:
        layers = file.get("model_weights", file)
        found = [name for name, layer in KERAS.items() if layer in layers]
    if len(found) != 1:
        raise WeightsError(f"{path} has neither the layers of InceptionV3 nor those of ResNet50")
    build = getattr(keras.applications, found[0])
    network = build(weights=None, include_top=False, pooling="avg", input_shape=(299, 299, 3))
    network.load_weights(path)
    return keras.Model([network.input], network.output)  # as a list, which the runtime gives


def _of_torch(held: Any) -> nn.Module:
    """Return the network whose tensors a checkpoint holds."""
    from medigan_hub.networks.resnet50 import ResNet50

    if isinstance(held, Mapping) and "state_dict" in held:
        held = held["state_dict"]
    return ResNet50.from_state_dict(held)
