"""What the ways to judge images share: their fields, their images, and how a result is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import gradio as gr

from medigan_hub.app import form, work
from medigan_hub.errors import whole_number
from medigan_hub.evaluation import extractors, sources
from medigan_hub.evaluation.report.page import fragment

if TYPE_CHECKING:
    from medigan_hub.app.session import Session
    from medigan_hub.evaluation.report.content import Report
    from medigan_hub.evaluation.sources import ImageSet

MAX_SAMPLES = 1000
OFFERED = ("texture", "imagenet", "random")
"""Extractors that need no file, and no longer than a page is waited for."""
SYNTHETIC = "synthetic"
"""What uploaded synthetic images are kept as."""


class Result(Protocol):
    """What was found, whatever was looked for."""

    def content(self, *, show_real: bool = False) -> Report:
        """Return what a report says."""
        ...

    def report(self, path: Path) -> Path:
        """Write a report without real images; return its file."""
        ...

    def save(self, path: Path) -> Path:
        """Write all that was found into a folder; return the file."""
        ...


def how(count: str, empty: str, seed: str) -> list[Any]:
    """Place the fields for samples, seed and grey levels.

    ``count`` and ``seed`` label two of them, and ``empty`` says how many samples there are
    where nothing else is said.
    """
    with gr.Row():
        return [
            gr.Textbox("", label=count, info=f"up to {MAX_SAMPLES}; empty: {empty}", max_lines=1),
            form.seed_field(label=seed),
            gr.Dropdown(
                ["none", "minmax", "both"],
                value="none",
                label="Normalise",
                info="minmax: each image's least and greatest value become black and white",
            ),
        ]


def features(label: str) -> gr.CheckboxGroup:
    """Place the choice of what describes images, of that which is installed."""
    known = [extractors.find(name) for name in OFFERED]
    there = [each.name for each in known if each.missing() is None]
    return gr.CheckboxGroup(there, value=there[:2], label=label)


def uploaded(path: Path, kind: str) -> ImageSet:
    """Return uploaded images under a title: where they lie is nobody's business."""
    found = sources.find(path)
    found.title = f"{kind} images, as uploaded"
    return found


def synthetic(
    uploads: Mapping[str, Path], model: str, count: str
) -> tuple[ImageSet | str, int | None]:
    """Return what is judged, uploads or a model, and how many samples were asked of the model.

    Raises
    ------
    HubError
        The number is none that can be made, or there are no images in the uploads.
    """
    if SYNTHETIC in uploads:
        return uploaded(uploads[SYNTHETIC], SYNTHETIC), None
    if not count.strip():
        return f"{sources.MODEL}{model}", None
    number = form.whole("the number of samples", count)
    return f"{sources.MODEL}{model}", whole_number("the number of samples", number, 1, MAX_SAMPLES)


@dataclass(frozen=True)
class Outcome:
    """Where it is told how things stand, and where a result is shown and handed out."""

    name: str
    """What the ids of a result's parts begin with."""
    status: gr.HTML
    shown: gr.HTML
    files: gr.File

    @classmethod
    def place(cls, name: str, shown: str, files: str) -> Outcome:
        """Place it; ``shown`` is the id of what is shown, and ``files`` labels the files."""
        return cls(
            name,
            work.status(f"{name}-status"),
            gr.HTML(elem_id=shown, apply_default_css=False),
            gr.File(label=files, file_count="multiple", interactive=False, visible=False),
        )

    @property
    def changed(self) -> list[Any]:
        """The components that a job changes."""
        return [self.status, self.shown, self.files]

    def follow(
        self, session: Session, judge: Callable[[work.Tell], Result], words: str
    ) -> Iterator[dict[Any, Any]]:
        """Judge, and yield what is to be shown meanwhile and in the end, with ``words``."""
        yield {
            self.status: work.said("Reading the images ..."),
            self.shown: "",
            self.files: gr.File(visible=False),
        }
        with work.job(session) as stop:
            found = yield from work.follow(
                judge,
                stop,
                lambda done, total: {self.status: work.progress("Describing images", done, total)},
            )
        folder = session.folder()
        made = found.report(folder / "report.html"), found.save(folder)
        yield {
            self.status: work.said(words),
            # Only this page's user sees real images, which are theirs.
            self.shown: fragment(found.content(show_real=True), self.name),
            self.files: gr.File([session.hand_out(each) for each in made], visible=True),
        }
