"""What was looked for, and found, in words: with numbers, and without a promise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medigan_hub.errors import listed
from medigan_hub.evaluation.privacy.nearness import ERROR

NO_PROMISE = "That none were found does not mean that none can be got"
CHANCE = 0.5
"""Area under the ROC curve of an attack that tells nothing."""


def verdict(document: Mapping[str, Any]) -> str:
    """Return a paragraph on findings, as ``privacy.json`` has them."""
    return " ".join(
        (
            *(_copies(document) if document["found"] == "copies" else _none(document)),
            *_near_to_all(document),
            membership(document["membership"]),
        )
    )


def _copies(document: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"Copies of training images were found among {document['num_synthetic']} synthetic images."
    )
    if document["duplicates"] or document["near_duplicates"]:
        yield f"{equal(document)}."
    for space in _found(document):
        test = sharpest(space)
        yield (
            f"By {space['space']}, {share(space)} are nearer to a training image than 1 % of "
            f"{document['num_heldout']} held-out images are, where {percent(space['expected'])} "
            f"are expected without copies; {_threshold(test)}, {test['counted']} are also twice as "
            f"near to a training image as to any held-out one (p = {test['corrected']:.2g}, "
            f"corrected for {_num_tests(document)} tests)."
        )


def _none(document: Mapping[str, Any]) -> Iterator[str]:
    names = [space["space"] for space in document["spaces"]]
    yield (
        f"No copies of training images were found among {document['num_synthetic']} synthetic "
        f"images. Looked for were images that are one of {document['num_train']} training images, "
        "mirrored or not, and more images near to one than are expected, by "
        f"{listed(names, ' and by ')}. The share of images that are nearer to a training image "
        f"than 1 % of {document['num_heldout']} held-out images are is greatest by "
        f"{document['space']}: {share(document)}, where {percent(document['expected'])} are "
        "expected without copies."
    )
    least = document["detectable"]
    if least is None:
        yield "There are too few images to find copies, however many: give more held-out ones."
    else:
        yield (
            f"Close copies would be found in four of five cases if they were {percent(least)} of "
            f"the images or more. {NO_PROMISE}, from other samples or in other ways."
        )


def _near_to_all(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a word on images that are near to training images, and to held-out ones as well."""
    names = [
        space["space"]
        for space in document["spaces"]
        if space not in _found(document) and space["low"] > space["expected"]
    ]
    if names:
        yield (
            f"By {listed(names, ' and by ')}, more synthetic images are near to training images "
            "than are expected, but as near to held-out ones, as blurred and average images are."
        )


def membership(found: Mapping[str, Any]) -> str:
    """Return a sentence on the attack on membership."""
    space = found.get("space")
    where = "" if space is None else f", by {space}"
    what = "tells training images from held-out ones"
    if found["low"] is None:
        return (
            f"Whether nearness to synthetic images {what} can't be said with an interval: AUC "
            f"{found['auc']:.2f}{where}, of too few patients, or images that stand alone."
        )
    numbers = f"AUC {found['auc']:.2f} ({found['low']:.2f} to {found['high']:.2f}){where}"
    if found["low"] > CHANCE:
        told = f"Nearness to synthetic images {what}: {numbers}, where 0.5 is chance"
    else:
        told = (
            f"That nearness to synthetic images {what} was not seen: {numbers}, where 0.5 is chance"
        )
    if found["tpr_at_1"] is not None:
        told += (
            f"; {percent(found['tpr_at_1'])} ({percents(found['tpr_low'], found['tpr_high'])}) of "
            "the training images are recognised where 1 % of the others are taken for some"
        )
    return f"{told}."


def equal(document: Mapping[str, Any]) -> str:
    """Return how many synthetic images are training images, or all but these."""
    equal, near = document["duplicates"], document["near_duplicates"]
    return (
        f"{equal} {'is' if equal == 1 else 'are'} one of {document['num_train']} training images, "
        f"pixel for pixel, mirrored or not, and {near} all but that"
    )


def share(found: Mapping[str, Any]) -> str:
    """Return the share of near images with its interval.

    >>> share({"share_flagged": 0.014, "low": 0.0057, "high": 0.0286})
    '1.4 % (0.6 to 2.9)'
    """
    return f"{percent(found['share_flagged'])} ({percents(found['low'], found['high'])})"


def percent(value: float) -> str:
    """Return a share in words.

    >>> percent(0.00998), percent(0.5), percent(1)
    ('1.0 %', '50.0 %', '100.0 %')
    """
    return f"{100 * value:.1f} %"


def percents(low: float, high: float) -> str:
    """Return an interval of shares in words."""
    return f"{100 * low:.1f} to {100 * high:.1f}"


def sharpest(space: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the test of a space that says most."""
    found: Mapping[str, Any] = min(space["tests"], key=lambda each: float(each["corrected"]))
    return found


def _found(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [space for space in document["spaces"] if sharpest(space)["corrected"] <= ERROR]


def _threshold(test: Mapping[str, Any]) -> str:
    if test["rank"] == 1:
        return "of those that are nearer than every held-out image"
    return "of these"


def _num_tests(document: Mapping[str, Any]) -> int:
    return sum(len(space["tests"]) for space in document["spaces"])
