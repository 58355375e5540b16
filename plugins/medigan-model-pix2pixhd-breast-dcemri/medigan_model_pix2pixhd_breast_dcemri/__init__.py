"""Simulates contrast enhancement in slices of breast MRI."""

from medigan_hub.plugin import GenerationRequest, Translator, build


class Pix2pixhdBreastDcemri(Translator):
    """Sees squares, and halves them four times."""

    multiple = 16
    minimum = 32

    def size(self, request: GenerationRequest) -> tuple[int, int]:
        return request.options["image_size"], request.options["image_size"]


plugin = Pix2pixhdBreastDcemri(__file__, torch=lambda tensors: build("pix2pixhd-global", tensors))
