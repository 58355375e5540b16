"""Figures for a model's metadata: its ``performance``, from an evaluation."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from medigan_hub.errors import HubNote, listed
from medigan_hub.evaluation import rewriting
from medigan_hub.evaluation.digits import places, rounded
from medigan_hub.evaluation.results import Evaluation, Figure
from medigan_hub.secrecy import struck

KEY = "performance"


def metric_name(figure: Figure, protocol: str = "hub") -> str:
    """Return the name under which models are ranked by a figure.

    It says all that keeps figures from being held against each other: the extractor, min-max and
    the protocol.

    >>> metric_name(Figure("KID", "texture", "minmax", 1, 0, 2, "lower", 0, 9, 9, None, False))
    'KID.texture.minmax'
    """
    parts = [figure.metric, figure.extractor]
    parts += ["minmax" if figure.normalize == "minmax" else None]
    parts += [protocol if protocol != "hub" else None]
    return ".".join(filter(None, parts))


def performance(
    evaluation: Evaluation, *, command: str, reference: str | None = None
) -> list[dict[str, Any]]:
    """Return an evaluation's figures as a model's metadata has them; biased ones are left out.

    Parameters
    ----------
    command
        What measures them again; secrets in URLs are struck out.
    reference
        The set of real images, in words.
    """
    protocol, command = str(evaluation.settings.get("protocol", "hub")), struck(command)
    found = []
    for figure in evaluation.figures:
        if not _is_sound(figure):
            continue
        title = evaluation.extractors[figure.extractor]["title"] if figure.extractor else None
        told = {
            "metric": metric_name(figure, protocol),
            **_numbers(figure),
            "compares": _compares(figure),
            "reference": reference,
            "group": figure.group,
            "extractor": title,
            "num_images": figure.num_synthetic,
            "num_reference": figure.num_real,
            "protocol": protocol,
            "source": command,
        }
        entry = {key: value for key, value in told.items() if value is not None}
        # Here, that there is none says something.
        entry |= {"better": figure.better, "normalized": figure.normalize == "minmax"}
        found.append(entry)
    return found


def write_metadata(
    path: Path | str, evaluation: Evaluation, *, command: str, reference: str | None = None
) -> list[dict[str, Any]]:
    """Put an evaluation's figures into a model's ``metadata.json``, and return them.

    They take the place of those that the same command gave of the same metrics. All else in the
    file stays as it is, byte for byte. A ``HubNote`` names figures that are left out as biased.

    Raises
    ------
    MetadataError
        The file can't be read, or is not valid, before or with the figures.
    OutputError
        It can't be written.
    RequestError
        The evaluation is of another model.
    """
    protocol = str(evaluation.settings.get("protocol", "hub"))
    figures = performance(evaluation, command=command, reference=reference)
    # Also those that are left out this time: what they were is no longer so.
    measured = {(metric_name(each, protocol), each.group) for each in evaluation.figures}
    put(path, evaluation.model, figures, measured, command=command)
    left_out = [metric_name(each, protocol) for each in evaluation.figures if not _is_sound(each)]
    if left_out:
        words = f"{listed(left_out)}: left out of {path}, as they are biased or no numbers"
        warnings.warn(HubNote(words), stacklevel=2)
    return figures


def put(
    path: Path | str,
    model: str | None,
    figures: Sequence[dict[str, Any]],
    measured: Collection[tuple[str, str | None]],
    *,
    command: str,
) -> None:
    """Put figures into a model's ``metadata.json``; all else in it stays as it is, byte for byte.

    Parameters
    ----------
    model
        Whose figures they are, where that is known.
    figures
        As metadata has them.
    measured
        Names of metrics, and groups, that the same command measures: what it gave before goes.

    Raises
    ------
    HubError
        As for ``write_metadata``.
    """
    path, command = Path(path), struck(command)
    document = rewriting.read(path, model)
    kept = [
        each
        for each in document.get(KEY, ())
        if each.get("source") != command or (each["metric"], each.get("group")) not in measured
    ]
    own = [{**each, "source": command} for each in figures]
    rewriting.write(path, KEY, [*kept, *own], "these figures")


def _is_sound(figure: Figure) -> bool:
    return not figure.biased and figure.document()["value"] is not None


def _numbers(figure: Figure) -> dict[str, Any]:
    """Return a figure's numbers with the digits that its interval bears."""
    digits = places(figure)
    told: dict[str, Any] = {"value": rounded(figure.value, digits)}
    if figure.low is not None and figure.high is not None:
        told["interval"] = [rounded(figure.low, digits), rounded(figure.high, digits)]
    if figure.baseline is not None:
        told["baseline"] = rounded(figure.baseline.value, digits)
    # One that lies at the end of a direction is clear from that.
    if figure.better is None and figure.ideal is not None:
        told["ideal"] = figure.ideal
    return told


def _compares(figure: Figure) -> str:
    words = "synthetic images with real ones"
    if figure.corrected:
        words += ", corrected for bias"
    if figure.baseline is not None:
        words += f"; the baseline is of {figure.baseline.num_images} real images with as many"
        words += ", not corrected" if figure.corrected else ""
    return words
