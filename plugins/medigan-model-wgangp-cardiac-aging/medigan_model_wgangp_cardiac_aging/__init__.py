"""Ages the heart in MRI slices, by the published code."""

from typing import Any, ClassVar

from medigan_hub.plugin import ArchiveOnly, GenerationRequest


class WgangpCardiacAging(ArchiveOnly):
    """The published function takes lists: the paths of the images, and the offset for each."""

    archive_inputs: ClassVar = {"slice": "image_paths_input"}
    archive_files = True

    def archive_arguments(self, request: GenerationRequest, index: int) -> dict[str, Any]:
        offset = request.condition("age_offset", [index])[0]
        return super().archive_arguments(request, index) | {"aging_input": [offset]}


plugin = WgangpCardiacAging(__file__)
