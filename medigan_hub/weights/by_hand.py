"""A file of weights that somebody downloaded in a browser.

It must be what the metadata, a pin or, where neither knows that, the caller says; then it is in
the cache as if the hub had downloaded it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from medigan_hub import web
from medigan_hub.errors import HubError, OutputError, RequestError, WeightsError, named
from medigan_hub.files import replacing
from medigan_hub.hashes import Digests, digests_of, hashed
from medigan_hub.locks import locked
from medigan_hub.metadata import WeightsFile
from medigan_hub.weights.download import (
    TITLES,
    Download,
    as_checksum,
    cached,
    check_room,
    known_sha256,
    pin,
)
from medigan_hub.weights.owners import Owner
from medigan_hub.weights.places import Place, place_of


@dataclass(frozen=True)
class _Candidate:
    """A remote file of a model, which the file at hand may be."""

    model: str
    file: WeightsFile
    place: Place
    known: Mapping[str, str]
    """The checksums that it must have, by their algorithms; none where nobody has said."""


def take(
    model: Owner,
    path: Path,
    checksum: str | None = None,
    others: Iterable[Owner] = (),
) -> Download:
    """Take a file of a model into the cache, verified, and pin it.

    Of several files of a model it is the one whose checksum it has.

    Parameters
    ----------
    path
        The file, under whatever name.
    checksum
        ``md5:...`` or ``sha256:...``, as whoever published the file states it: needed where
        neither the metadata nor a pin has one.
    others
        Models whose file it may be by mistake.

    Raises
    ------
    RequestError
        The checksum is none, or one is needed.
    WeightsError
        The model has no remote weights, or the file is none of them.
    OutputError
        The file can't be read, or the cache can't be written or has no room.
    """
    stated = _stated(checksum)
    try:
        candidates = list(_candidates(model))
        if not candidates:
            raise WeightsError(
                f"{model.name} has no weights to download; they are in its plugin: "
                f"medigan install {model.name}"
            )
        unknown = [candidate for candidate in candidates if not candidate.known]
        _look_at(path, model)
        if unknown == candidates and not stated:
            raise _needed(model, unknown[0])
        found = digests_of(path)
        if not _agrees(found, stated):
            raise WeightsError(
                f"{path} is not the file that is meant: {_difference(found, stated)}; download it "
                f"again, or mend {named('checksum')}"
            )
        fitting = [each for each in candidates if each.known and _agrees(found, each.known)]
        if not fitting:
            theirs = [each for other in others for each in _readable(other)]
            _check_others(path, found, model, theirs)
            if not unknown:
                raise _wrong(path, found, model, candidates)
            if not stated:
                raise _needed(model, unknown[0])
            fitting = [_by_name(path, model, unknown, theirs)]
        return _kept(path, found, fitting[0])
    except OSError as error:
        raise OutputError(
            f"{path} can't be imported for {model.name}: {error.strerror or error}"
        ) from error


def _stated(checksum: str | None) -> Mapping[str, str]:
    """Return the checksum that the caller states by its algorithm, if there is one."""
    if checksum is None:
        return {}
    found = as_checksum(checksum.strip())
    if found is None:
        raise RequestError(
            f"{named('checksum')} is {checksum!r}; it must be md5: with 32 hexadecimal digits, or "
            "sha256: with 64"
        )
    algorithm, _, value = found.partition(":")
    return {algorithm: value}


def _candidates(model: Owner) -> Iterator[_Candidate]:
    for file in model.files:
        if file.is_remote:
            place = place_of(model, file)
            must = {"sha256": known_sha256(file, place), "md5": file.md5}
            known = {algorithm: value for algorithm, value in must.items() if value is not None}
            yield _Candidate(model.name, file, place, known)


def _agrees(found: Digests, known: Mapping[str, str]) -> bool:
    return all(getattr(found, algorithm) == value for algorithm, value in known.items())


def _difference(found: Digests, known: Mapping[str, str]) -> str:
    """Say which checksum a file has, and which it must have."""
    algorithm = next(each for each, value in known.items() if getattr(found, each) != value)
    mine, must = getattr(found, algorithm), known[algorithm]
    return f"its {TITLES[algorithm]} is {mine} and must be {must}"


def _look_at(path: Path, model: Owner) -> None:
    """Refuse what can be no file of weights, before it is read as a whole."""
    if path.is_dir():
        raise WeightsError(
            f"{path} is a folder; give the file itself, as it was downloaded: a browser may have "
            "unpacked it"
        )
    if not path.is_file():
        raise WeightsError(f"there is no file {path}; give the one that was downloaded")
    with path.open("rb") as stream:
        page = web.is_page(stream.read(web.START_BYTES))
    if page:
        raise WeightsError(
            f"{path} is a page that a server showed in place of a file of {model.name}; download "
            "it again"
        )


def _needed(model: Owner, candidate: _Candidate) -> RequestError:
    page = candidate.place.page
    where = "its authors state" if page is None else f"{page} lists beside the file"
    return RequestError(
        f"neither the metadata of {model.name} nor a pin says what {candidate.place.name} must be; "
        f"give the checksum that {where}: {named('checksum', 'md5:DIGITS')}"
    )


def _check_others(path: Path, found: Digests, model: Owner, others: Iterable[_Candidate]) -> None:
    """Raise where the file is known to be another model's."""
    for each in others:
        if each.known and _agrees(found, each.known):
            raise WeightsError(
                f"{path} is {each.place.name} of {each.model}, and no file of {model.name}; import "
                f"it there: medigan weights import {each.model} {path}"
            )


def _readable(other: Owner) -> list[_Candidate]:
    """Return the files of another model, whose faults don't matter here."""
    try:
        return list(_candidates(other))
    except HubError:
        return []


def _wrong(path: Path, found: Digests, model: Owner, candidates: list[_Candidate]) -> WeightsError:
    differences = ", or ".join(
        f"{_difference(found, each.known)} to be {each.place.name}" for each in candidates
    )
    addresses = " or ".join(web.shown(each.place.url) for each in candidates)
    pinned = any(each.file.sha256 is None and each.file.md5 is None for each in candidates)
    forget = (
        f"; if its authors have replaced it on purpose, forget the pin: medigan weights clear "
        f"{model.name} --pins"
    )
    return WeightsError(
        f"{path} is no file of {model.name}: {differences}; download it again: {addresses}"
        f"{forget if pinned else ''}"
    )


def _by_name(
    path: Path, model: Owner, unknown: list[_Candidate], others: Iterable[_Candidate]
) -> _Candidate:
    """Return the file that is meant, where only the caller says what it must be."""
    named_so = [each for each in unknown if each.place.name == path.name]
    names = " or ".join(each.place.name for each in unknown)
    theirs = [each.model for each in others if each.place.name == path.name]
    if theirs and not named_so:
        raise WeightsError(
            f"{path} has the name of a file of {theirs[0]}; if it is one of {model.name} all the "
            f"same, call it {names}"
        )
    if len(unknown) > 1 and not named_so:
        raise WeightsError(
            f"{path} may be any of several files of {model.name}; call it {names}, as it was "
            "published"
        )
    return (named_so or unknown)[0]


def _kept(path: Path, found: Digests, candidate: _Candidate) -> Download:
    """Return the file in the cache, copied there unless it is there."""
    place = candidate.place
    with locked(place.lock):
        there = cached(candidate.file, place)
        if there is not None and there.sha256 == found.sha256:
            return there
        check_room(place, found.size)
        with path.open("rb") as source, replacing(place.path, durably=True) as target:
            if hashed(source, "sha256", target=target)[1] != [found.sha256]:
                raise WeightsError(f"{path} has changed while it was read; import it again")
        place.part.unlink(missing_ok=True)  # of a download that broke off
        return pin(place)
