"""What was found as a table, a picture, and figures of a model."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from io import StringIO
from xml.etree import ElementTree

import pytest
from rich.console import Console

from medigan_hub import Hub, RequestError
from medigan_hub.errors import MetadataError
from medigan_hub.evaluation.utility import performance, picture
from medigan_hub.evaluation.utility.judgement import verdict
from medigan_hub.evaluation.utility.results import (
    FORM,
    HARMS,
    HELPS,
    MATCHES,
    NOTHING,
    ArmScore,
    Gain,
    Utility,
)
from medigan_hub.evaluation.utility.table import table

SPACE = "{http://www.w3.org/2000/svg}"
DIGEST = "ab" * 32


def one(name, ratio, share=1.0, value=0.8, metric="AUC", **more):
    gain = None if name == "real" else Gain(value - 0.8, value - 0.83, value - 0.77)
    facts = {
        "arm": name,
        "ratio": ratio,
        "share": share,
        "metric": metric,
        "value": value,
        "low": value - 0.05,
        "high": value + 0.05,
        "gain": gain,
        "gain_over_controls": gain if name == "real + synthetic" else None,
        "num_real": 0 if name == "synthetic" else round(100 * share),
        "num_synthetic": 50 if "synthetic" in name else 0,
        "steps": 100,
    }
    return ArmScore(**facts | more)


def utility(**more):
    arms = [
        one(name, ratio, share, value, metric, verdict=verdict if metric == "AUC" else None)
        for metric in ("AUC", "F1")
        for share in (0.1, 1.0)
        for name, ratio, value, verdict in (
            *(("real", 0.0, 0.8, None), ("synthetic", None, 0.7, None)),
            *(("real + synthetic", 0.5, 0.85, HELPS), ("real + synthetic", 2.0, 0.75, HARMS)),
            *(("real, equal steps", None, 0.81, None), ("real, flips and noise", None, 0.82, None)),
        )
    ]
    facts = {
        "arms": arms,
        "verdict": "Synthetic images help.",
        "label": "mass",
        "masks": None,
        "learner": {"name": "cnn", "title": "a small convolutional network"},
        "sets": {
            name: {"title": name, "num_images": 100, "key": DIGEST}
            for name in ("train", "test", "synthetic")
        },
        "settings": {"seed": 0, "repeats": 10, "shares": [0.1, 1.0], "ratios": [0.5, 2.0]},
        "versions": {"medigan-hub": "0"},
        "notes": ("A note.",),
    }
    return Utility(**facts | more)


def printed(found, width=150):
    stream = StringIO()
    Console(width=width, file=stream).print(table(found))
    return stream.getvalue()


def test_the_verdict_comes_first_and_each_arm_has_a_row():
    words = printed(utility())
    assert words.startswith("Synthetic images help.")
    assert "\n10 % of the real images: 10\n" in words
    assert re.search(r"\n  real +0 +0.800 \(0.750 to 0.850\) +- ", words)
    assert "+0.0500 (+0.0200 to +0.0800)" in words
    assert re.search(r"real \+ synthetic \(50\) +2 .* harms *\n", words)
    assert words.count("real, equal steps") == 2
    assert words.rstrip().endswith("A note.")


def test_a_narrow_terminal_cuts_no_number():
    words = printed(utility(), width=60)
    assert words.count("+0.0800)") == 4
    assert "…" not in words


def test_the_verdict_names_the_mixtures_that_it_is_about():
    assert verdict(utility().arms) == (
        "Synthetic images help at ratio 0.5 with 10 % of the real images and at ratio 0.5 with 100 "
        "% of the real images (AUC +0.050, +0.020 to +0.080, at the most); they harm at ratio 2 "
        "with 10 % of the real images and at ratio 2 with 100 % of the real images (AUC -0.050, "
        "-0.080 to -0.020, at the most)."
    )
    arms = [replace(each, verdict=each.verdict and NOTHING) for each in utility().arms]
    assert verdict(arms) == (
        "Synthetic images make no difference that these images tell, at any ratio."
    )
    arms = [
        replace(each, verdict=each.verdict and (MATCHES if each.share < 1 else NOTHING))
        for each in utility().arms
    ]
    assert verdict(arms) == (
        "Synthetic images gain, but no more than the controls (longer training, flips and noise) "
        "do, at any ratio with 10 % of the real images; they make no difference that these images "
        "tell at any ratio with 100 % of the real images."
    )


def test_groups_have_a_table_of_their_own():
    found = utility()
    of_group = [replace(each, group="site one") for each in found.chosen()]
    assert "images: 10, tested on site one" in printed(
        replace(found, arms=[*found.arms, *of_group])
    )


def test_the_picture_has_a_panel_for_each_share_with_controls_across():
    found = utility()
    root = ElementTree.fromstring(picture.svg(found))  # noqa: S314 (our own)
    words = ["".join(each.itertext()) for each in root.iter(f"{SPACE}text")]
    assert {"10 % of the real images: 10", "100 % of the real images: 100"} <= {*words}
    kinds = [each.get("class") for each in root.iter(f"{SPACE}path")]
    assert kinds.count("steps") == kinds.count("varied") == 3  # two panels and the legend
    titles = [each.text for each in root.iter(f"{SPACE}title")]
    assert "real + synthetic at ratio 2: AUC 0.750 (0.700 to 0.800)" in titles
    assert any("Synthetic images help." in word for word in words)
    marks = {
        group.find(f"{SPACE}title").text: float(group.find(f"{SPACE}circle").get("cy"))
        for group in root.iter(f"{SPACE}g")
        if group.find(f"{SPACE}title") is not None and group.find(f"{SPACE}circle") is not None
    }
    (low,) = (y for words, y in marks.items() if words.startswith("real + synthetic at ratio 2"))
    (high,) = (y for words, y in marks.items() if words.startswith("real + synthetic at ratio 0.5"))
    assert high < low


@pytest.mark.filterwarnings("ignore:the figures of:medigan_hub.errors.HubNote")
def test_figures_are_those_that_medigan_reports_and_models_are_ranked_by_them(
    install, document, tmp_path, monkeypatch
):
    package = install(document=document)
    found = utility()
    performance.write_metadata(package / "metadata.json", found, command="medigan utility a b c")
    figures = {
        each["metric"]: each
        for each in json.loads((package / "metadata.json").read_text())["performance"]
    }
    assert set(figures) == {
        *("CLF.trained_on_real.AUC", "CLF.trained_on_fake.AUC"),
        *("CLF.trained_on_real_and_fake.AUC", "CLF_delta.AUC", "CLF_delta"),
        *("CLF.trained_on_real.f1", "CLF.trained_on_fake.f1", "CLF.trained_on_real_and_fake.f1"),
    }
    delta = figures["CLF_delta"]
    assert (delta["value"], delta["interval"]) == (0.05, [0.02, 0.08])
    assert delta["compares"] == (
        "a small convolutional network, trained on 100 real and 50 synthetic images, minus one "
        "trained on the real ones alone, in f1"
    )
    matches = Hub().search(rank_by="CLF_delta")
    assert "toy-noise" in [each.entry.metadata.name for each in matches[:4]]
    again = performance.write_metadata(
        package / "metadata.json", found, command="medigan utility a b c"
    )
    assert len(json.loads((package / "metadata.json").read_text())["performance"]) == len(again)


def test_masks_give_a_segmentation_s_figures():
    arms = [replace(each, metric="Dice") for each in utility().chosen()]
    found = utility(arms=arms, label=None, masks=dict.fromkeys(("train", "test", "synthetic"), "m"))
    names = {each["metric"] for each in performance.entries(found, command="medigan utility")}
    assert names == {
        *("SEG.trained_on_real.dice", "SEG.trained_on_fake.dice"),
        *("SEG.trained_on_real_and_fake.dice", "SEG_delta"),
    }


def test_figures_of_another_model_are_refused(install, document):
    package = install(document=document)
    found = utility()
    sets = {**found.sets, "synthetic": {**found.sets["synthetic"], "model": "another"}}
    with pytest.raises(RequestError, match=r"is of another, and .* describes toy-noise"):
        performance.write_metadata(
            package / "metadata.json", replace(found, sets=sets), command="medigan utility"
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda told: told["arms"][1]["gain"].update(low=2), "low and high are 2"),
        (lambda told: told["arms"][0].update(low=None), "low and high are None"),
        (lambda told: told.update(label=None), "one of them says what was learned"),
        (lambda told: told["arms"][0].update(arm="nothing"), "nothing"),
        (lambda told: told.update(arms=[]), "arms"),
        (lambda told: told.pop("verdict"), "verdict"),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(change, message):
    document = utility().document()
    FORM.check(document, "it")
    change(document)
    with pytest.raises(MetadataError, match=message):
        FORM.check(document, "it")
