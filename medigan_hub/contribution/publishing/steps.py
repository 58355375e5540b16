"""The way of a package to its record: what was done is remembered after every step.

A draft is made or found, its DOI goes into the metadata, the package is built
from those, the files go up and are compared with what the server has, and only
then, and once somebody has said so, the draft is published. Whatever breaks
off, the next run goes on with the same draft.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from medigan_hub import web
from medigan_hub.contribution.publishing import gate, record, staging, state
from medigan_hub.contribution.publishing import project as projects
from medigan_hub.contribution.publishing.connection import Connection
from medigan_hub.contribution.publishing.deposits import (
    REMEDIES,
    Deposit,
    Deposits,
    Stored,
    client_library,
    new_marker,
)
from medigan_hub.contribution.publishing.project import DOCUMENT, Project
from medigan_hub.contribution.publishing.servers import PRODUCTION, Server
from medigan_hub.contribution.publishing.staging import File, Home
from medigan_hub.contribution.publishing.state import Attempt, Record, State
from medigan_hub.contribution.publishing.tokens import Token, kept_from_others
from medigan_hub.errors import NetworkError, OutputError, PluginError, named
from medigan_hub.files import cache_folder, write_atomically
from medigan_hub.hashes import Digests
from medigan_hub.locks import locked
from medigan_hub.metadata import ModelMetadata
from medigan_hub.web import Refused
from medigan_hub.weights.progress import progress

ZENODO_DOI = re.compile(r"10\.[0-9]{4,9}/zenodo\.([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Order:
    """What is to be published, where and how."""

    project: Path
    server: Server
    detached: bool = False
    """Whether the package downloads its weights from the record."""
    entry: Path | None = None
    """Where the catalogue's entry goes; by default into the project's folder ``dist``."""
    allow_archive_code: bool = False


@dataclass(frozen=True)
class Plan:
    """What goes where."""

    server: str
    model: ModelMetadata
    metadata: Mapping[str, Any]
    """Metadata of the record."""
    files: tuple[tuple[str, int], ...]
    """Names and sizes."""
    doi: str | None
    """Reserved DOI, where one is."""
    draft: str | None
    """Address of the draft, where there is one."""
    replaces: str | None
    """DOI of the record of which this is a new version."""


@dataclass(frozen=True)
class Publication:
    """A published package."""

    model: str
    version: str
    doi: str
    url: str
    server: str
    files: Mapping[str, Digests]
    catalogue_entry: Path
    document: bytes
    """What is in the catalogue's entry."""


@dataclass(frozen=True)
class Voice:
    """Who is told and asked."""

    say: Callable[[str], None]
    """Told what is worth a line."""
    status: Callable[[], AbstractContextManager[Callable[[str], None]]]
    """Opened for work that tells what is going on, of which each word replaces the last."""
    show: Callable[[Plan], None]
    confirm: Callable[[Plan], None]
    """Returns where the draft is to be published, and raises otherwise."""


def rehearse(order: Order, voice: Voice) -> Plan:
    """Check and build a package, and show what would go where; nothing is sent.

    Raises
    ------
    HubError
        As for ``publish``, as far as no server is needed.
    """
    project = projects.read(order.project)
    metadata = record.describe(project.model, published=date.today())
    with tempfile.TemporaryDirectory(prefix="medigan-publish-") as folder:
        made = staging.document(project, None, detached=order.detached)
        with kept_from_others():
            _check(project, order, voice)
            files = staging.build(project, made, Path(folder) / "staged")
        known = state.load(project.folder, order.server.base)
        attempt, records = known.attempt, _of(known, project.model)
        plan = _plan(
            order,
            project.model,
            metadata,
            files,
            doi=attempt.doi if attempt else None,
            replaces=records[-1].doi if records else None,
        )
    voice.show(plan)
    return plan


def publish(order: Order, token: Callable[[Server], Token], voice: Voice) -> Publication:
    """Publish a package, or go on where that broke off; what is published already stays.

    Raises
    ------
    MetadataError, WeightsError, PluginError
        The package is not fit to be published.
    NetworkError
        The network is forbidden or fails, or the server refuses something.
    OutputError
        The project's folder or the cache can't be written, or another process
        is at it.
    RequestError
        There is no token, or it was not confirmed.
    """
    project = projects.read(order.project)
    record.describe(project.model, published=date.today())
    if web.offline():
        raise NetworkError(
            f"{project.model.name} can't be published: MEDIGAN_OFFLINE forbids the network; "
            f"{named('dry_run', True)} needs none"
        )
    client_library()
    connection = Connection(order.server, token(order.server), voice.say, REMEDIES)
    mark = hashlib.sha256(f"{project.folder}\n{order.server.base}".encode()).hexdigest()[:16]
    folder = cache_folder() / "publish" / mark

    def busy() -> NoReturn:
        raise OutputError(f"another process is publishing {project.folder}; wait for it")

    with locked(folder.with_suffix(".lock"), busy):
        return _Way(order, project, Deposits(connection), voice, folder).go()


class _Way:
    """The steps, and what they share."""

    def __init__(
        self, order: Order, project: Project, deposits: Deposits, voice: Voice, folder: Path
    ) -> None:
        self._order, self._project, self._voice = order, project, voice
        self._deposits = deposits
        self._folder = folder
        self._state = state.load(project.folder, order.server.base)
        self._source = projects.fingerprint(project, detached=order.detached)

    def go(self) -> Publication:
        done = self._of_this_version()
        if done is None:
            self._deposits.check_token()
            done = self._published()
        return self._finish(done)

    # What was done before.

    def _of_this_version(self) -> Record | None:
        """Return the record of this version, if it is published as it is here."""
        model = self._project.model
        for done in self._records():
            if done.version == model.version:
                if done.source == self._source:
                    self._voice.say(f"{model.name} {model.version} is published: {done.doi}")
                    return done
                self._refuse_again(done.doi)
        return None

    def _records(self) -> list[Record]:
        """Return the published versions of this model; it may have had another name before."""
        return _of(self._state, self._project.model)

    def _refuse_again(self, doi: str) -> NoReturn:
        model = self._project.model
        raise PluginError(
            f"{model.name} {model.version} is published already, as {doi}, and can't be changed "
            f"there: raise the version in pyproject.toml and {DOCUMENT}"
        )

    def _previous(self) -> Deposit | None:
        """Return the record of which this becomes a new version, or a draft made by hand for it."""
        model, known = self._project.model, self._records()
        stated = ZENODO_DOI.fullmatch(model.document.get("doi", ""))
        if known:
            number = known[-1].deposit
        elif stated is not None and self._order.server == PRODUCTION:
            number = int(stated[1])
        else:
            return None
        found = self._deposits.read(number)
        if found is None:
            remedy = f"remove {projects.STATE}" if known else f"remove doi from {DOCUMENT}"
            raise PluginError(
                f"the last version of {model.name}, {number} on {self._order.server.host}, is not "
                f"there any more; to publish it as a new record, {remedy}"
            )
        if found.submitted and found.version == model.version:
            self._refuse_again(found.doi)
        return found

    # The way itself.

    def _published(self) -> Record:
        attempt, draft, previous = self._draft()
        if draft.submitted:
            return self._settle(draft, attempt)
        self._check()
        files = self._files(draft)
        metadata = record.describe(self._project.model, published=date.today())
        plan = _plan(
            self._order,
            self._project.model,
            metadata,
            files,
            doi=draft.doi,
            draft=draft.url,
            replaces=previous.doi if previous and previous.submitted else None,
        )
        self._voice.show(plan)
        with self._meanwhile(draft) as settled:
            self._upload(draft, files)
            self._deposits.describe(draft.id, metadata)
            self._remove_others(draft)
            self._compare(draft, files)
            self._voice.confirm(plan)
            done = self._deposits.publish(draft.id)
            if done.doi != draft.doi:
                self._voice.say(
                    f"warning: {self._order.server.host} registered {done.doi}, and not "
                    f"{draft.doi}, which it had reserved and which is in the uploaded metadata"
                )
            return self._remember(done, self._source, files)
        return settled[0]

    def _draft(self) -> tuple[Attempt, Deposit, Deposit | None]:
        """Return the draft that an earlier run made, or a new one; with what it replaces."""
        attempt, draft = self._state.attempt, None
        if attempt is not None and attempt.deposit is not None:
            draft = self._deposits.read(attempt.deposit)
            if draft is None:
                self._voice.say(
                    f"the draft {attempt.deposit} was deleted on {self._order.server.host} "
                    "meanwhile; a new one is made"
                )
                attempt = None
            elif draft.doi != attempt.doi:
                # What was built with the other is built again.
                attempt = replace(attempt, doi=draft.doi, source=None)
                self._save(attempt)
        previous = None if draft is not None and draft.submitted else self._previous()
        resumed = attempt is not None
        if attempt is None:
            attempt = Attempt(new_marker())
            self._save(attempt)
        if draft is None:
            draft = self._new_draft(attempt, previous, look=resumed)
            attempt = replace(attempt, deposit=draft.id, doi=draft.doi)
            self._save(attempt)
        return attempt, draft, previous

    def _new_draft(self, attempt: Attempt, previous: Deposit | None, *, look: bool) -> Deposit:
        if previous is not None:
            return self._deposits.new_version(previous) if previous.submitted else previous
        metadata = record.describe(self._project.model, published=date.today())
        return self._deposits.create(metadata, attempt.marker, look=look)

    def _check(self) -> None:
        attempt = self._attempt()
        if attempt.checked == self._source:
            return
        with kept_from_others():
            _check(self._project, self._order, self._voice)
        self._save(replace(attempt, checked=self._source))

    def _files(self, draft: Deposit) -> list[File]:
        """Return the files for a draft, built anew only where something changed."""
        attempt = self._attempt()
        if attempt.source == self._source:
            found = staging.kept(self._folder, attempt.files)
            if found is not None:
                return found
        made = staging.document(
            self._project, self._home(draft.id, draft.doi), detached=self._order.detached
        )
        with kept_from_others():
            files = staging.build(self._project, made, self._folder)
        self._save(replace(attempt, source=self._source, files=_digests(files)))
        return files

    def _upload(self, draft: Deposit, files: list[File]) -> None:
        """Bring the files of a draft to what they must be, and send only what differs."""
        there = self._deposits.files(draft.id)
        names = {file.name for file in files}
        for name, stored in there.items():
            if name not in names:
                self._deposits.remove(draft.id, stored)
        for file in files:
            if not _same(file.digests, there.get(file.name)):
                with progress(file.name) as bar:
                    self._deposits.upload(draft, file.path, file.digests, bar.at)

    def _remove_others(self, draft: Deposit) -> None:
        """Delete drafts that a lost answer left behind, which have the marker still."""
        for other in self._deposits.find(self._attempt().marker):
            if other.id != draft.id and not other.submitted:
                self._deposits.discard(other.id)

    def _compare(self, draft: Deposit, files: list[File]) -> None:
        """Raise where the server does not have what was sent."""
        wrong = _differences(_digests(files), self._deposits.files(draft.id))
        found = self._deposits.read(draft.id)
        model = self._project.model
        if not wrong and found is not None and found.version != model.version:
            wrong = [f"it has the version {found.version or 'none'}, and not {model.version}"]
        if not wrong and found is not None and found.doi != draft.doi:
            wrong = [f"{found.doi} is reserved for it now, and {draft.doi} is in its metadata"]
        if wrong:
            raise NetworkError(
                f"the draft {draft.url} is not what was sent, and is not published: "
                f"{'; '.join(wrong)}; run this again"
            )

    @contextmanager
    def _meanwhile(self, draft: Deposit) -> Iterator[list[Record]]:
        """See to it that somebody else may have published or deleted the draft meanwhile.

        Where it is published as it was to be, the block ends early, and the
        list holds the record.
        """
        settled: list[Record] = []
        try:
            yield settled
        except Refused as error:
            found = self._deposits.read(draft.id)
            if found is None:
                raise NetworkError(
                    f"the draft {draft.id} was deleted on {self._order.server.host} meanwhile; run "
                    "this again, and a new one is made"
                ) from error
            if not found.submitted:
                raise
            settled.append(self._settle(found, self._attempt()))

    def _settle(self, found: Deposit, attempt: Attempt) -> Record:
        """Take a draft that was published by somebody else as ours, if it is what it was to be."""
        wrong = _differences(attempt.files, self._deposits.record_files(found.id))
        if not wrong and attempt.source == self._source:
            self._voice.say(f"the draft {found.id} was published meanwhile, as it was to be")
            return self._remember(found, self._source, attempt.files)
        self._remember(found, "", {})
        what = "; ".join(wrong) or "the project has changed since"
        raise PluginError(
            f"the draft {found.id} was published on {self._order.server.host} meanwhile, as "
            f"{found.doi}, and it is not what is here: {what}; raise the version in pyproject.toml "
            f"and {DOCUMENT}, and run this again: it becomes a new version of that record"
        )

    def _remember(
        self, found: Deposit, source: str, files: list[File] | Mapping[str, Digests]
    ) -> Record:
        digests = _digests(files) if isinstance(files, list) else files
        version = self._project.model.version if source else found.version
        name = self._project.model.name
        done = Record(name, version, found.id, found.doi, found.url, source, digests)
        self._keep(State(None, (*self._state.records, done)))
        return done

    def _finish(self, done: Record) -> Publication:
        """Write the DOI where it belongs, and the catalogue's entry."""
        project, order = self._project, self._order
        home = self._home(done.deposit, done.doi)
        content = projects.written(staging.document(project, home, detached=order.detached))
        entry = order.entry or project.folder / "dist" / f"{project.model.name}.json"
        try:
            if order.server == PRODUCTION and project.model.document.get("doi") != done.doi:
                own = projects.with_doi(project.model.document, done.doi)
                write_atomically(project.document, projects.written(own), durably=True)
            write_atomically(entry, content)
        except OSError as error:
            raise OutputError(
                f"{project.model.name} is published as {done.doi}, but {error.filename} can't be "
                f"written: {error.strerror}; mend that, and run this again"
            ) from error
        shutil.rmtree(self._folder, ignore_errors=True)
        return Publication(
            model=project.model.name,
            version=project.model.version,
            doi=done.doi,
            url=done.url,
            server=order.server.base,
            files=done.files,
            catalogue_entry=entry,
            document=content,
        )

    def _home(self, number: int, doi: str) -> Home:
        return Home(doi, self._order.server.base, number)

    def _attempt(self) -> Attempt:
        assert self._state.attempt is not None  # noqa: S101 (a draft has one)
        return self._state.attempt

    def _save(self, attempt: Attempt) -> None:
        self._keep(replace(self._state, attempt=attempt))

    def _keep(self, found: State) -> None:
        state.save(self._project.folder, self._order.server.base, found)
        self._state = found


def _of(known: State, model: ModelMetadata) -> list[Record]:
    return [done for done in known.records if done.model == model.name]


def _check(project: Project, order: Order, voice: Voice) -> None:
    with voice.status() as say:
        gate.check(
            project.folder,
            detached=order.detached,
            allow_archive_code=order.allow_archive_code,
            say=say,
        )


def _plan(
    order: Order,
    model: ModelMetadata,
    metadata: Mapping[str, Any],
    files: list[File],
    *,
    doi: str | None,
    draft: str | None = None,
    replaces: str | None,
) -> Plan:
    sizes = tuple((file.name, file.digests.size) for file in files)
    return Plan(order.server.base, model, metadata, sizes, doi, draft, replaces)


def _digests(files: list[File]) -> dict[str, Digests]:
    return {file.name: file.digests for file in files}


def _same(digests: Digests, stored: Stored | None) -> bool:
    return stored is not None and (stored.size, stored.md5) == (digests.size, digests.md5)


def _differences(files: Mapping[str, Digests], there: Mapping[str, Stored]) -> list[str]:
    """Return in words how what a server has differs from what it must have."""
    wrong = []
    for name in sorted({*files, *there}):
        if name not in files:
            wrong.append(f"it has {name}, which is not of this package")
        elif name not in there:
            wrong.append(f"it lacks {name}")
        elif not _same(files[name], there[name]):
            wrong.append(
                f"{name} has the MD5 {there[name].md5 or 'unknown'} there and "
                f"{files[name].md5} here"
            )
    return wrong
