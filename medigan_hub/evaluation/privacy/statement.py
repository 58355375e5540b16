"""What a model's metadata says of its privacy: the author's words, and then what was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medigan_hub.evaluation import rewriting
from medigan_hub.evaluation.privacy.results import Privacy
from medigan_hub.evaluation.privacy.verdict import membership, percent, share

KEY = "privacy"
BEGIN = "Measured by medigan privacy:"
END = "Finding no copies does not mean that none can be got."
EARLIER = re.compile(rf"\s*{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)


def write_metadata(path: Path | str, found: Privacy) -> str:
    """Put findings into a model's ``metadata.json``, after what its author wrote; return the text.

    They take the place of earlier ones. All else in the file stays as it is, byte for byte.

    Raises
    ------
    MetadataError
        The file can't be read, or is not valid.
    OutputError
        It can't be written.
    RequestError
        The findings are of another model.
    """
    path = Path(path)
    text = stated(rewriting.read(path, found.model)[KEY], found.document())
    rewriting.write(path, KEY, text, "these findings")
    return text


def stated(author: str, document: Mapping[str, Any]) -> str:
    """Return an author's words followed by findings, as ``privacy.json`` has them."""
    return f"{EARLIER.sub('', author).strip()} {statement(document)}".strip()


def statement(document: Mapping[str, Any]) -> str:
    """Return findings in a few sentences with numbers, and no date."""
    equal, near = document["duplicates"], document["near_duplicates"]
    verdict = "copies were found" if document["found"] == "copies" else "no copies were found"
    least = document["detectable"]
    reach = "" if least is None else f", where close copies show from about {percent(least)} on"
    return (
        f"{BEGIN} {verdict} of {document['num_train']} training images among "
        f"{document['num_synthetic']} synthetic ones{reach}; {equal} of these are one of them, "
        f"{near} all but that, and {share(document)} are nearer to one, by {document['space']}, "
        f"than 1 % of {document['num_heldout']} held-out images are "
        f"({percent(document['expected'])} expected without copies). "
        f"{membership(document['membership'])} {END}"
    )
