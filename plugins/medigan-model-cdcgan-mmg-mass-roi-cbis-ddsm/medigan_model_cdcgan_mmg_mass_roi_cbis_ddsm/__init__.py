"""Makes patches of mammograms with masses that are benign or malignant as asked."""

from medigan_hub.plugin import (
    ConditionalDcgan,
    GenerationRequest,
    RequestError,
    build,
    entry,
    named,
)


class CdcganMmgMassRoiCbisDdsm(ConditionalDcgan):
    """Has two sets of weights: of the training part of the data, and of the test part."""

    def weights_file(self, request: GenerationRequest, index: int) -> str | None:
        if request.options["is_cbisddsm_training_data"]:
            return None
        files = [name for name in self.file_names() if name.endswith(".pt")]
        others = [name for name in files if name != self.metadata.main_file.member]
        if len(others) != 1:
            raise RequestError(
                "which weights are those of the test part can't be told from the archive's "
                f"files ({', '.join(files)}); use {named('runtime', 'archive')}"
            )
        return others[0]


plugin = CdcganMmgMassRoiCbisDdsm(
    __file__, torch=lambda file: build("dcgan128", entry(file, "generator"))
)
