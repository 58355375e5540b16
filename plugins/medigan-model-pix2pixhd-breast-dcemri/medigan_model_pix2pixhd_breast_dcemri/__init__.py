"""Simulates contrast enhancement in slices of breast MRI."""

from medigan_hub.networks import build
from medigan_hub.runtimes.published import Translator
from medigan_hub.runtimes.torch import TorchRuntime
from medigan_hub.samples import GenerationRequest


class Pix2pixhdBreastDcemri(Translator):
    """Sees squares, and halves them four times."""

    multiple = 16
    minimum = 32

    def size(self, request: GenerationRequest) -> tuple[int, int]:
        return request.options["image_size"], request.options["image_size"]


plugin = Pix2pixhdBreastDcemri(
    __file__, TorchRuntime(lambda tensors: build("pix2pixhd-global", tensors))
)
