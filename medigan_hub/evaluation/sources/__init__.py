"""Sets of images that are to be judged: a folder, a data set of the hub, arrays, a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medigan_hub import inputs
from medigan_hub.catalogue import Catalogue
from medigan_hub.dataset import header, manifest
from medigan_hub.errors import RequestError, shortened
from medigan_hub.evaluation.sources import patients as belonging
from medigan_hub.evaluation.sources.base import ImageSet, Item
from medigan_hub.evaluation.sources.columns import column, columns, says
from medigan_hub.evaluation.sources.data_sets import DataSet
from medigan_hub.evaluation.sources.found import FoundImages
from medigan_hub.evaluation.sources.models import MODEL, ModelImages
from medigan_hub.evaluation.sources.patients import PATIENT
from medigan_hub.evaluation.sources.samples import are_shared
from medigan_hub.reading import Reading

__all__ = [
    "MODEL",
    "ImageSet",
    "Item",
    "check_apart",
    "check_patients_apart",
    "column",
    "columns",
    "find",
    "is_model",
    "says",
]


def find(
    given: inputs.Source | ImageSet,
    *,
    reading: Reading | None = None,
    count: int | None = None,
    default: int = 1,
    patients: str | None = None,
    table: str | Path | None = None,
    wishes: Mapping[str, Any] | None = None,
) -> ImageSet:
    """Return the images of a folder, a data set, arrays, or ``model:NAME``.

    Parameters
    ----------
    count, default
        Samples of a model, and how many where nothing else says so.
    patients, table
        Whose images are; see ``patients.known``.
    wishes
        What is wished for of a model, as ``generation.request`` takes it.

    Raises
    ------
    HubError
        There is nothing there, it can't be read, or a model can't make what is wished for.
    """
    reading = reading or Reading()
    found: ImageSet
    if isinstance(given, ImageSet):
        found = given
    elif isinstance(given, str) and given.startswith(MODEL):
        found = ModelImages.of(given.removeprefix(MODEL), count, default, wishes or {})
    elif isinstance(given, (str, Path)) and is_data_set(given):
        found = DataSet.of(Path(given).expanduser(), str(given))
    else:
        title = str(given) if isinstance(given, (str, Path)) else "images given in Python"
        found = FoundImages(inputs.find(given, reading), title)
    if patients is not None or table is not None:
        found = belonging.known(found, patients, table)
    return found


def is_data_set(given: str | Path) -> bool:
    """Tell whether a path is that of a data set of the hub, be it damaged.

    Other programs have a ``dataset.json``, too: beside images it is none of ours.
    """
    try:
        folder = Path(given).expanduser()
        if not (folder / header.HEADER).is_file():
            return False
        names = (manifest.MANIFEST, manifest.UNFINISHED)
        return header.read(folder) is not None or any((folder / each).exists() for each in names)
    except (OSError, ValueError, RuntimeError):  # whoever looks for images there says why
        return False


def is_model(given: object) -> bool:
    """Tell whether images are those of a model, which are made: ``model:NAME``.

    Raises
    ------
    HubError
        They are, and there is no such model, or it is not installed.
    """
    if not isinstance(given, str) or not given.startswith(MODEL):
        return False
    Catalogue().plugin(given.removeprefix(MODEL))
    return True


def check_apart(real: ImageSet, synthetic: ImageSet) -> None:
    """Make sure that no image is in both sets: else a distance would say nothing.

    Of samples it is enough that both come of the same seed, and of all else that decides them.

    Raises
    ------
    RequestError
        One is; the message names it.
    """
    if real.header and synthetic.header and are_shared(real.header, synthetic.header):
        raise RequestError(
            f"{real.title} and {synthetic.title} hold samples of one model with the same seed, "
            f"{real.header['seed']}, which are the same images; make some with another seed"
        )
    ours = {item.digest: item.name for item in real.items}
    shared = [item for item in synthetic.items if item.digest in ours]
    if len(shared) == len(synthetic) == len(real):
        raise RequestError(
            f"{real.title} and {synthetic.title} hold the same images; name two different sets"
        )
    if shared:
        more = f" (and {len(shared) - 1} more)" if len(shared) > 1 else ""
        raise RequestError(
            f"{shortened(shared[0].name)} of {synthetic.title} is {ours[shared[0].digest]} of "
            f"{real.title}{more}; leave it out of one of them"
        )


def check_patients_apart(one: ImageSet, other: ImageSet) -> None:
    """Make sure that two sets of real images share no image, and no patient where these are known.

    Raises
    ------
    RequestError
        They share one; the message names an image of it, and no patient.
    """
    check_apart(one, other)
    ours = {item.facts[PATIENT]: item.name for item in one.items if PATIENT in item.facts}
    for item in other.items:
        known = ours.get(item.facts.get(PATIENT, ""))
        if known is not None:
            raise RequestError(
                f"{shortened(item.name)} of {other.title} and {shortened(known)} of {one.title} "
                "are of one patient; leave that patient out of one of them"
            )
