"""Models ranked by what a benchmark measured."""

from __future__ import annotations

import json

import pytest

from medigan_hub import Hub, MetadataError, RequestError
from medigan_hub.errors import HubNote
from medigan_hub.evaluation.benchmark import Benchmark
from support.evaluations import evaluation, figure


@pytest.fixture
def hub(install, document):
    for name, published in (("toy-a", 9), ("toy-b", 1), ("toy-c", 5)):
        figures = [{"metric": "KID.texture", "value": published, "better": "lower"}]
        changed = document | {"name": name, "plugin": f"medigan-model-{name}", "organ": ["kidney"]}
        install(name, document=changed | {"performance": figures})
    return Hub()


def judged(value, model, **more):
    return evaluation(
        figure(value=value, low=value - 0.1, high=value + 0.1, **more),
        figure("Vendi", value=7, better=None, ideal=None),
        figure("FD", value=value, biased=True),
        figure(value=value, group="benign"),
        model=model,
    )


@pytest.fixture
def path(tmp_path):
    return Benchmark({"toy-a": judged(1, "toy-a"), "toy-b": judged(2, "toy-b")}).save(tmp_path)


def ranked(hub, path, rank_by="KID", **more):
    matches = hub.search(organ="kidney", rank_by=rank_by, figures=path, **more)
    return [(match.entry.metadata.name, match.value) for match in matches]


@pytest.mark.parametrize("name", ["KID", "kid", "KID.texture", "performance.KID.texture"])
def test_models_are_ranked_by_what_was_measured_and_others_come_last(hub, path, name):
    with pytest.warns(HubNote, match=r"json has no KID.texture of toy-c, which comes last"):
        assert ranked(hub, path, name) == [("toy-a", 1), ("toy-b", 2), ("toy-c", None)]
    with pytest.warns(HubNote):
        assert ranked(hub, path.parent, name, order="desc")[0] == ("toy-b", 2)


def test_an_evaluation_is_a_file_of_figures_too(hub, tmp_path):
    path = judged(4, "toy-c").save(tmp_path)
    with pytest.warns(HubNote, match="no KID.texture of toy-a, toy-b, which come last"):
        assert ranked(hub, path)[0] == ("toy-c", 4)
    with pytest.warns(HubNote):
        assert ranked(hub, tmp_path)[0] == ("toy-c", 4)


def test_of_several_figures_of_a_metric_one_is_named(hub, tmp_path):
    both = evaluation(figure(), figure(normalize="minmax", value=3), model="toy-a")
    path = both.save(tmp_path)
    words = "several figures of 'KID'; name one of KID.texture, KID.texture.minmax"
    with pytest.raises(RequestError, match=words):
        ranked(hub, path)
    with pytest.warns(HubNote):
        assert ranked(hub, path, "KID.texture.minmax")[0] == ("toy-a", 3)
    with pytest.warns(HubNote):
        assert ranked(hub, path, "KID.texture")[0] == ("toy-a", 0.01234)


def test_a_protocol_of_its_own_is_part_of_the_name(hub, tmp_path):
    path = evaluation(figure(), settings={"seed": 0, "protocol": "medigan"}).save(tmp_path)
    with pytest.raises(RequestError, match=r"no figure 'KID.texture'; it has KID.texture.medigan$"):
        ranked(hub, path, "KID.texture")


def test_several_values_of_a_model_and_images_of_unknown_ones_are_told(hub, tmp_path):
    sets = {"real": evaluation().sets["real"]}
    unknown = {"title": "folder", "num_images": 600, "key": "0" * 64}
    made = {
        "one": judged(1, "toy-a"),
        "two": judged(2, "toy-a"),
        "out": evaluation(figure(value=0.1), sets=sets | {"synthetic": unknown}),
    }
    path = Benchmark(made).save(tmp_path)
    with pytest.warns(HubNote) as caught:
        assert ranked(hub, path)[0] == ("toy-a", 1)
    told = [str(each.message) for each in caught]
    assert any("has KID.texture of toy-a 2 times (one, two); the value that" in t for t in told)
    assert any(t.startswith("out in ") and "no model that is known here" in t for t in told)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SSIM", "has no figure 'SSIM'; it has KID.texture, Vendi.texture, FD.texture"),
        ("FD", "FD.texture of .* can't be ranked: it is biased"),
        ("Vendi", "Vendi.texture of .* can't be ranked"),
    ],
)
def test_what_the_file_has_no_order_of_is_refused(hub, path, name, words):
    with pytest.raises(RequestError, match=words):
        ranked(hub, path, name)


def test_figures_without_a_metric_are_refused(hub, path):
    with pytest.raises(RequestError, match=r"need a metric to rank by \(rank_by\)"):
        hub.search(figures=path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("hello", "is not JSON that can be used"),
        ("[]", "is neither a benchmark nor an evaluation; name a benchmark.json"),
        ('{"name": "x"}', "is neither a benchmark nor an evaluation"),
        ('{"evaluations": {}}', "is no benchmark that can be read: the document: lacks"),
        ('{"figures": []}', "is no evaluation that can be read"),
        (None, "can't be read: No such file"),
    ],
)
def test_a_file_that_is_none_of_figures_is_refused(hub, tmp_path, content, words):
    path = tmp_path / "some.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(MetadataError, match=words):
        ranked(hub, path)


def test_a_changed_file_is_not_believed(hub, path):
    document = json.loads(path.read_text())
    document["evaluations"]["toy-b"]["sets"]["real"]["key"] = "0" * 64
    path.write_text(json.dumps(document))
    with pytest.raises(MetadataError, match="toy-b and toy-a were not measured alike"):
        ranked(hub, path)
