"""Makes patches of mammograms with masses that are benign or malignant as asked."""

from medigan_hub import weights
from medigan_hub.errors import RequestError
from medigan_hub.networks import build
from medigan_hub.runtimes.published import ConditionalDcgan, entry
from medigan_hub.runtimes.torch import TorchRuntime
from medigan_hub.samples import GenerationRequest


class CdcganMmgMassRoiCbisDdsm(ConditionalDcgan):
    """Has two sets of weights: of the training part of the data, and of the test part."""

    def weights_file(self, request: GenerationRequest, index: int) -> str | None:
        if request.options["is_cbisddsm_training_data"]:
            return None
        files = [name for name in weights.names(self.metadata) if name.endswith(".pt")]
        others = [name for name in files if name != self.metadata.weights.member]
        if len(others) != 1:
            raise RequestError(
                "which weights are those of the test part can't be told from the archive's "
                f"files ({', '.join(files)}); use --runtime archive"
            )
        return others[0]


plugin = CdcganMmgMassRoiCbisDdsm(
    __file__, TorchRuntime(lambda file: build("dcgan128", entry(file, "generator")))
)
