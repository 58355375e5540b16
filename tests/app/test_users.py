"""Several users at a time: none waits for another, or sees what is another's."""

from __future__ import annotations

import re

import numpy as np
import PIL.Image
import pytest

from support.driving import captions, complaint, generate, open_tab, upload, use

MODEL = "fastgan-brain-mri"


@pytest.fixture
def slow(install, document, drawing):
    """The name of a model that takes its time, four seconds for each batch."""
    code = drawing.replace(
        "for indices in request.batches():",
        "import time\n        for indices in request.batches():\n            time.sleep(4)",
    )
    install(code=code, document=document)
    return "toy-noise"


def test_a_fast_job_is_done_while_anothers_slow_one_runs(open_page, slow):
    first = use(open_page(apart=True), slow, "Generate")
    second = use(open_page(apart=True), MODEL, "Generate")
    first.get_by_label("Number of samples").fill("64")
    first.get_by_role("button", name="Generate", exact=True).click()
    first.get_by_text(re.compile(r"Making samples: \d+ of 64")).wait_for()
    generate(second, count="3", seed="4")
    assert "Making samples" in first.locator("#generate-status").inner_text()
    assert len(captions(second)) == 3
    assert all(MODEL in caption for caption in captions(second))
    assert not any(MODEL in caption for caption in captions(first))
    second.get_by_role("button", name="Cancel").click()
    first.get_by_text(re.compile("Making samples: (16|24|32|40|48|56) of 64")).wait_for()
    first.get_by_role("button", name="Cancel").click()
    first.get_by_text("Cancelled.").wait_for()


def test_no_user_sees_what_another_uploaded_or_made(open_page, tmp_path):
    scan = tmp_path / "kept-alone.png"
    PIL.Image.fromarray(np.zeros((16, 16), np.uint8)).save(scan)
    first = open_page(apart=True)
    tab = use(first, "cyclegan-dbt", "Generate")
    upload(tab.locator("#upload-mammogram"), scan)
    generate(tab)
    second = open_page(apart=True)
    tab = use(second, "cyclegan-dbt", "Generate")
    assert tab.locator(".filename").count() == 0
    assert captions(tab) == []
    tab = open_tab(second, "Take away")
    assert "Nothing has been made yet" in complaint(tab)
    generate(use(second, MODEL, "Generate"), count="1")
    assert "kept-alone" not in second.content()
    tab = open_tab(first, "Take away")
    tab.get_by_text("Made last: 1 sample of cyclegan-dbt").wait_for()
