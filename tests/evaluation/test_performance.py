from __future__ import annotations

import json

import pytest

from medigan_hub import metadata
from medigan_hub.card import readme
from medigan_hub.errors import HubNote, MetadataError, OutputError, RequestError
from medigan_hub.evaluation.performance import metric_name, performance, write_metadata
from medigan_hub.search.ranking import metrics
from support.evaluations import evaluation, figure

COMMAND = "medigan evaluate real model:toy-noise"
BIASED = figure("FD", "imagenet", value=141.2, low=None, high=None, biased=True)


@pytest.fixture
def place(tmp_path, document):
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def names(path):
    return [each["metric"] for each in json.loads(path.read_text())["performance"]]


@pytest.mark.parametrize(
    ("more", "protocol", "name"),
    [
        ({}, "hub", "KID.texture"),
        ({"normalize": "minmax"}, "hub", "KID.texture.minmax"),
        ({"metric": "FD"}, "hub", "FD.texture"),
        ({"metric": "FID", "extractor": "inception"}, "hub", "FID.inception"),
        ({"metric": "FID", "extractor": "inception"}, "medigan", "FID.inception.medigan"),
        ({"extractor": "inception"}, "hub", "KID.inception"),
        ({"metric": "SSIM", "extractor": None}, "hub", "SSIM"),
    ],
)
def test_figures_that_are_not_alike_have_names_of_their_own(more, protocol, name):
    assert metric_name(figure(**more), protocol) == name


def test_a_figure_comes_with_what_it_takes_to_judge_it(document):
    judged = evaluation(figure(value=0.0123456), BIASED)
    (found,) = performance(judged, command=COMMAND, reference="held-out patches")
    assert found == {
        "metric": "KID.texture",
        "value": 0.0123,
        "interval": [0.0101, 0.0146],
        "baseline": 0.0002,
        "compares": "synthetic images with real ones; "
        "the baseline is of 300 real images with as many",
        "reference": "held-out patches",
        "extractor": "features of texture",
        "num_images": 600,
        "num_reference": 600,
        "protocol": "hub",
        "source": COMMAND,
        "better": "lower",
        "normalized": False,
    }
    document["performance"] = [found]
    assert metadata.validate(document) == []


def test_all_else_in_the_file_stays_byte_for_byte(place):
    before = '{"schema_version": 1,\n    "description":   "Makes\\tnoïse",\r\n'
    rest = json.dumps(
        {
            key: value
            for key, value in json.loads(place.read_text()).items()
            if key not in ("schema_version", "description")
        }
    )
    for has_figures in (False, True):
        figures = '"performance" :[ {"metric": "M", "value":1} ] , ' if has_figures else ""
        place.write_bytes((before + figures + rest[1:-1] + "\n}\n\n").encode())
        write_metadata(place, evaluation(figure()), command=COMMAND)
        text = place.read_bytes().decode()
        assert text.startswith(before)
        assert rest[1:-1] in text
        assert names(place) == (["M", "KID.texture"] if has_figures else ["KID.texture"])
        metadata.load(place)


@pytest.mark.parametrize("indent", [2, 4, "\t"])
def test_figures_have_the_indents_of_the_file(place, document, indent):
    place.write_text(json.dumps(document, indent=indent) + "\n")
    write_metadata(place, evaluation(figure()), command=COMMAND)
    found = json.loads(place.read_text())
    assert place.read_text() == json.dumps(found, indent=indent) + "\n"


def test_figures_of_the_same_command_are_replaced_and_no_others(place):
    first = evaluation(figure(), figure("MMD"), figure("FD", low=0.1, high=0.3))
    write_metadata(place, first, command=COMMAND)
    write_metadata(place, evaluation(figure("FD", low=1, high=3)), command="another")
    again = evaluation(figure(value=0.02, low=0.01, high=0.03), figure("FD", biased=True))
    with pytest.warns(HubNote, match=r"FD\.texture: left out of .*metadata\.json, as they are"):
        write_metadata(place, again, command=COMMAND)
    found = json.loads(place.read_text())["performance"]
    assert [(each["metric"], each["source"]) for each in found] == [
        ("MMD.texture", COMMAND),
        ("FD.texture", "another"),
        ("KID.texture", COMMAND),
    ]
    assert found[2]["value"] == 0.02
    text = place.read_text()
    with pytest.warns(HubNote):
        write_metadata(place, again, command=COMMAND)
    assert place.read_text() == text


def test_figures_of_some_images_alone_stand_beside_those_of_all_and_are_not_ranked(place):
    both = evaluation(figure(), figure(group="benign", value=0.002, low=0.001, high=0.003))
    write_metadata(place, both, command=COMMAND)
    write_metadata(place, both, command=COMMAND)
    assert names(place) == ["KID.texture"] * 2
    model = metadata.load(place)
    assert metrics([model])["kid.texture"].values == {0: [0.0123]}
    assert "benign alone" in readme(model)


def test_the_metadata_of_another_model_are_not_touched(place):
    text = place.read_text()
    with pytest.raises(RequestError, match=r"of other-model, and .* describes toy-noise"):
        write_metadata(place, evaluation(figure(), model="other-model"), command=COMMAND)
    assert place.read_text() == text


def test_what_would_not_be_valid_is_not_written(place):
    text = place.read_text()
    with pytest.raises(MetadataError, match=r"with these figures, .*performance\[0\]\.reference"):
        write_metadata(place, evaluation(figure()), command=COMMAND, reference="two\nlines")
    assert place.read_text() == text


def test_a_file_that_is_no_metadata_or_a_link_is_refused(place, tmp_path):
    with pytest.raises(MetadataError, match=r"none\.json can't be read"):
        write_metadata(tmp_path / "none.json", evaluation(figure()), command=COMMAND)
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(MetadataError, match="is not valid"):
        write_metadata(tmp_path / "broken.json", evaluation(figure()), command=COMMAND)
    (tmp_path / "link.json").symlink_to(place)
    with pytest.raises(OutputError, match="is a link"):
        write_metadata(tmp_path / "link.json", evaluation(figure()), command=COMMAND)
    (tmp_path / "wide.json").write_bytes(place.read_text().encode("utf-16"))
    with pytest.raises(MetadataError, match="is not in UTF-8"):
        write_metadata(tmp_path / "wide.json", evaluation(figure()), command=COMMAND)


def test_secrets_of_a_command_stay_out(place):
    command = "medigan evaluate https://me:pass-of-mine@example.org/x model:toy-noise"
    write_metadata(place, evaluation(figure()), command=command)
    assert "pass-of-mine" not in place.read_text()
