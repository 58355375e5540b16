"""Reports: what they say, that they stand alone, and that no patient is shown unasked."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import PIL.Image
import pytest

from medigan_hub import Hub
from medigan_hub.errors import MissingDependencyError, OutputError, RequestError
from medigan_hub.evaluation.judged import Judged
from medigan_hub.evaluation.report import gallery, markdown, page, pdf
from medigan_hub.evaluation.report.content import CRITERIA, Part, Report, Table
from support.evaluations import evaluation, figure


def blobs(count, seed, size=32):
    """Return images with a bright square somewhere, (count, size, size, 1) uint8."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (count, size, size, 1), np.uint8)
    for image in images:
        y, x = rng.integers(0, size - 8, 2)
        image[y : y + 8, x : x + 8] = 200
    return images


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDIGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield Hub().evaluate(
            blobs(30, 0), blobs(24, 1), extractors=["texture"], metrics=["KID", "coverage"]
        )


class Asks(HTMLParser):
    """Collects whatever a browser would ask for."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "data", "srcset"):
                self.asked.append(value)


def asked(text):
    parser = Asks()
    parser.feed(text)
    return parser


def pictures(text):
    return [
        PIL.Image.open(io.BytesIO(base64.b64decode(found)))
        for found in re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", text)
    ]


def test_a_report_asks_nobody_for_anything_and_has_no_script(judged):
    text = page.html(judged.content(show_real=True))
    found = asked(text)
    assert all(each.startswith(("data:", "#")) for each in found.asked), found.asked
    assert not {"script", "iframe", "object", "form"} & {*found.tags}
    assert "default-src 'none'" in text
    assert "url(" not in text
    assert "@import" not in text


def test_a_report_begins_with_words_and_names_every_criterion(judged):
    text = page.html(judged.content())
    assert text.index("In words") < text.index("<table")
    for each in CRITERIA:
        assert f">{each.name}</h" in text
    missing = text[text.index(">Not examined here</h2>") :]
    assert [each.name for each in CRITERIA if f"<h3>{each.name}</h3>" in missing] == [
        *("Constraint", "Compliance", "Consistency", "Use")
    ]
    assert "KID" in text
    assert "24 synthetic images" in text


def test_two_on_one_page_have_no_id_in_common_and_links_of_their_own(judged):
    parts = [page.fragment(judged.content(), prefix) for prefix in ("one", "other")]
    names = [re.findall(r' id="([^"]*)"', part) for part in parts]
    both = [*names[0], *names[1]]
    assert len(names[0]) > 5
    assert len({*both}) == len(both)
    for part, own in zip(parts, names, strict=True):
        assert {*re.findall(r'href="#([^"]*)"', part)} < {*own}
        assert {*re.findall(r'aria-labelledby="([^"]*)"', part)} < {*own}


def test_real_images_are_in_it_only_where_they_are_asked_for(judged):
    plain, shown = (page.html(judged.content(show_real=each)) for each in (False, True))
    assert "Real, confidential" not in plain
    assert "shows images of patients" not in plain
    assert "shows images of patients" in shown
    origins = [picture.info["Synthetic"] for picture in pictures(plain)]
    assert {*origins} == {"yes"}
    assert len(origins) == 2 * gallery.SHOWN
    assert "no" in [picture.info["Synthetic"] for picture in pictures(shown)]


def test_the_nearest_and_the_farthest_are_those(judged):
    real, synthetic = np.zeros((8, 2)), np.arange(10.0).reshape(10, 1) * [1, 0] + [1, 0]
    real[:, 0] = -np.arange(8)
    near = gallery.Near.of(real, synthetic)
    assert near.to_real.tolist() == pytest.approx(list(range(1, 11)))
    assert near.nearest_real.tolist() == [0] * 10
    # Its five nearest lie up to 5 from real image 0, up to 4 from image 1, up to 3 from image 2.
    assert near.is_covered.tolist() == [True, True] + [False] * 6


def test_few_real_images_have_no_neighbourhoods():
    near = gallery.Near.of(np.zeros((4, 2)), np.ones((3, 2)))
    assert not near.is_covered.size


def test_what_comes_from_outside_is_text(judged):
    bad = "<script>alert(1)</script>"
    told = Report(bad, bad, [bad], {"Coverage": Part([bad], tables=[Table(bad, [bad], [[bad]])])})
    text = page.html(told)
    assert "<script" not in text
    assert "alert(1)" in text


def test_a_secret_does_not_get_into_a_report():
    secret = "https://user:hunter2hunter2@example.org/x"  # noqa: S105 (made up)
    text = page.html(Report("t", secret, [secret], {}))
    assert "hunter2hunter2" not in text


def test_one_that_was_read_from_a_file_has_no_pictures(judged, tmp_path):
    again = Judged.load(judged.save(tmp_path / "evaluation.json"))
    assert again.origin is None
    text = again.report(tmp_path / "r.html").read_text()
    assert "<img" not in text
    assert "KID" in text


def test_an_evaluation_of_groups_tells_them_under_consistency(judged):
    found = evaluation(figure("KID"), figure("KID", group="sex F"))
    told = Judged(**{name: getattr(found, name) for name in found.__dataclass_fields__}).content()
    assert [row[0] for row in told.parts["Consistency"].tables[0].rows] == ["KID"]
    assert "sex F" in told.parts["Consistency"].tables[0].caption
    assert "sex F" not in told.parts["Congruence"].tables[0].caption


@pytest.mark.parametrize("name", ["report.pdf", "report", "evaluation.json"])
def test_a_report_is_a_page(judged, tmp_path, name):
    with pytest.raises(OutputError, match=r"is a page; give it a name as .*\.html"):
        judged.report(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_report_that_would_be_huge_is_refused(tmp_path):
    huge = Report("t", "a", ["x" * page.MAX_BYTES], {})
    with pytest.raises(OutputError, match="5 at most are meant"):
        page.write(huge, tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_a_folder_that_is_none_is_named(judged, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is no folder of yours"):
        judged.report(tmp_path / "file" / "r.html")


def test_a_card_gets_the_section_and_gets_it_anew(judged, tmp_path):
    card = tmp_path / "README.md"
    card.write_text("# A model\n\nWords.\n")
    markdown.write(judged.content(), "evaluation", "medigan evaluate real out", card)
    first = card.read_text()
    assert first.startswith("# A model\n\nWords.\n\n<!-- medigan evaluation: begin -->")
    assert "| KID |" in first
    assert "```\nmedigan evaluate real out\n```" in first
    card.write_text(first + "\nMore words.\n")
    markdown.write(judged.content(), "evaluation", "medigan evaluate real other", card)
    second = card.read_text()
    assert second == first.replace("real out", "real other") + "\nMore words.\n"


def test_a_card_that_is_none_is_named(tmp_path):
    with pytest.raises(RequestError, match=r"card .*none.md can't be read: No such file"):
        markdown.check(tmp_path / "none.md")
    (tmp_path / "binary.md").write_bytes(b"\xff\xfe\0")
    with pytest.raises(RequestError, match="no text in UTF-8"):
        markdown.check(tmp_path / "binary.md")


def test_without_a_browser_a_pdf_is_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(MissingDependencyError, match="printed by Chromium, and there is none"):
        pdf.place(tmp_path / "r.pdf")


def test_a_browser_that_fails_leaves_no_file(judged, tmp_path, monkeypatch):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho 'it is broken' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(broken))
    with pytest.raises(OutputError, match="could not print the report: it is broken"):
        pdf.write(judged.content(), tmp_path / "r.pdf")
    assert not (tmp_path / "r.pdf").exists()


def test_a_pdf_is_printed(judged, tmp_path):
    if not any(map(shutil.which, pdf.BROWSERS)):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no Chromium")
    path = pdf.write(judged.content(), tmp_path / "r.pdf")
    content = path.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
