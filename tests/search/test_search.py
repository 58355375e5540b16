from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from medigan_hub import Hub, HubWarning, RequestError
from medigan_hub.catalogue import Entry
from medigan_hub.errors import HubNote
from medigan_hub.metadata import ModelMetadata

# Said of most published figures; the tests of that look for it.
pytestmark = pytest.mark.filterwarnings("ignore:the figures of:medigan_hub.errors.HubNote")


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDIGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MEDIGAN_CATALOGUE", raising=False)
        return Hub()


def found(matches):
    return [match.entry.metadata.name for match in matches]


def numbers(matches):
    """Return the numbers of the published models among the matches."""
    ids = [match.entry.metadata.medigan_id for match in matches]
    return [medigan_id[:5] for medigan_id in ids if medigan_id is not None]


@pytest.fixture
def small(document):
    """Return a function that makes a hub of models whose documents differ as told."""

    def make(*changes):
        entries = [
            Entry(ModelMetadata.from_document(document | {"name": f"toy-{n}"} | change), None, "")
            for n, change in enumerate(changes)
        ]
        hub = Hub()
        hub._catalogue._entries = entries
        return hub

    return make


# Words


def test_words_find_the_models_that_have_all_of_them(hub):
    assert numbers(hub.search("dcgan mammography BCDR")) == ["00005", "00012"]


def test_the_best_match_comes_first(hub):
    assert found(hub.search("nodule"))[:2] == ["dcgan-cxr-lung-nodule", "wgangp-cxr-lung-nodule"]
    assert found(hub.search("tomosynthesis")) == ["cyclegan-dbt"]


def test_a_need_in_plain_words_finds_what_fits(hub):
    need = "breast masses with masks, 256 pixels, free licence"
    assert found(hub.search(need)) == ["pix2pix-mmg-mass-masks"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MMG", "mammography"),
        ("mammograms", "mammography"),
        ("CXR", "chest x-ray"),
        ("xray", "x-ray"),
        ("MR", "MRI"),
        ("magnetic resonance imaging", "MRI"),
        ("colonoscopy", "endoscopy"),
        ("tumor", "tumour"),
        ("license", "licence"),
        ("ProGAN", "PGGAN"),
        ("Masses", "mass"),
    ],
)
def test_words_of_one_meaning_find_the_same(hub, one, other):
    assert found(hub.search(one))
    assert set(found(hub.search(one))) == set(found(hub.search(other)))


@pytest.mark.parametrize(
    ("written", "sought"),
    [
        ("x-ray", "xray"),
        ("xray", "x-ray"),
        ("WGAN-GP", "wgangp"),
        ("DC-GAN", "DCGAN"),
        ("CycleGAN", "cycle gan"),
    ],
)
def test_a_term_is_found_however_it_is_written(small, written, sought):
    index = small({"tags": [written]}, {})
    assert found(index.search(sought)) == ["toy-0"]


def test_the_words_of_a_term_need_not_stand_side_by_side(small):
    index = small({"tags": ["CXR"]}, {"description": "An x-ray of the chest."}, {"tags": ["chest"]})
    assert found(index.search("chest x-ray")) == ["toy-0", "toy-1"]


def test_terms_of_several_words_are_one_thing_between_operators(small):
    index = small({"tags": ["CXR"]}, {"tags": ["endoscopy"]}, {"tags": ["CXR", "endoscopy"]})
    assert found(index.search("chest x-ray xor endoscopy")) == ["toy-0", "toy-1"]
    assert len(index.search("chest x-ray or endoscopy")) == 3


def test_a_quoted_question_keeps_its_operators(hub):
    assert found(hub.search(["mass or nodule"])) == found(hub.search("mass or nodule"))


def test_a_match_says_which_fields_matched(hub):
    match = hub.search("dcgan CBIS-DDSM")[0]
    assert set(match.fields) == {"dcgan", "CBIS-DDSM"}
    assert "architecture" in match.fields["dcgan"]
    assert "dataset" in match.fields["CBIS-DDSM"]
    assert "organ" not in match.fields["dcgan"]
    assert hub.search()[0].fields == {}


def test_a_phrase_is_found_only_as_a_whole(small):
    index = small({"description": "a mass in the breast"}, {"description": "a breast mass"})
    assert found(index.search("breast mass")) == ["toy-1", "toy-0"]
    assert found(index.search('"breast mass"')) == ["toy-1"]
    assert found(index.search(["breast mass"])) == ["toy-1"]


def test_a_phrase_that_no_model_has_is_taken_as_words(hub):
    assert set(found(hub.search(["breast masses with masks"]))) == {
        "cdcgan-breast-mass",
        "pix2pix-mmg-mass-masks",
    }


def test_the_beginning_of_a_word_is_enough_where_no_model_has_it_whole(small):
    index = small({"tags": ["histopathology"]}, {"tags": ["spirometry"]})
    (match,) = index.search("histop")
    assert (match.entry.metadata.name, match.fields) == ("toy-0", {"histop": ["tags"]})


@pytest.mark.parametrize(
    ("operator", "expected"),
    [("and", ["toy-2"]), ("or", ["toy-0", "toy-1", "toy-2"]), ("xor", ["toy-0", "toy-1"])],
)
@pytest.mark.parametrize("case_sensitive", [False, True])
def test_operators_mean_all_any_and_exactly_one(small, operator, expected, case_sensitive):
    index = small({"tags": ["Alpha"]}, {"tags": ["Beta"]}, {"tags": ["Alpha", "Beta"]}, {})
    matches = index.search(["Alpha", "Beta"], operator=operator, case_sensitive=case_sensitive)
    assert sorted(found(matches)) == expected
    written = f"Alpha {operator} Beta"  # the operator may stand among the words
    assert sorted(found(index.search(written, case_sensitive=case_sensitive))) == expected


def test_a_word_given_twice_counts_once(small):
    index = small({"tags": ["Alpha"]})
    assert found(index.search(["Alpha", "alpha"], operator="xor")) == ["toy-0"]


def test_case_sensitive_words_are_matched_as_written(small):
    index = small({"tags": ["Mass"]}, {"tags": ["mass"]}, {"tags": ["masses"]})
    assert found(index.search("Mass", case_sensitive=True)) == ["toy-0"]
    assert found(index.search("mass", case_sensitive=True)) == ["toy-1"]
    assert index.search("Mass", case_sensitive=True)[0].fields == {"Mass": ["tags"]}
    joined = small({"medigan_id": "00100_MMG_ROI"})
    assert found(joined.search("MMG", case_sensitive=True)) == ["toy-0"]
    with pytest.warns(HubWarning, match="no model has 'MASS'; did you mean Mass"):
        assert index.search("MASS", case_sensitive=True) == []


@pytest.mark.parametrize(
    "words", ["", "  ", "and", "AND or xor", "with of", '" "', "* ( ) -", (), ["or"], ["", "!"]]
)
def test_a_query_without_words_lists_all(hub, words):
    assert found(hub.search(words)) == [entry.metadata.name for entry in hub.models()]


@pytest.mark.parametrize(
    "word", ['mass"', "mass*", "-mass", "^mass", "mass\0", "(mass)", "mass\udcff"]
)
def test_words_are_never_taken_for_the_language_of_the_index(hub, word):
    assert found(hub.search([word])) == found(hub.search("mass"))
    assert hub.search([word], operator="xor")


@pytest.mark.parametrize("words", ["name:mass", "NEAR(mass breast)", "mass NOT breast"])
def test_operators_of_the_index_are_words_like_others(hub, words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HubWarning)
        assert hub.search(words, operator="and") == []
        assert hub.search([words], case_sensitive=True) == []


def test_a_misspelt_word_is_answered_with_the_close_one(hub):
    with pytest.warns(HubWarning, match="no model has 'mamography'; did you mean mammography"):
        assert hub.search("mamography") == []
    with pytest.warns(HubWarning, match="'mamography'"):
        assert found(hub.search("mamography or tomosynthesis")) == ["cyclegan-dbt"]
    with pytest.warns(HubWarning, match="no model has 'qqqqq'$"):
        hub.search("qqqqq")


def test_a_word_that_no_model_has_is_never_offered(hub):
    with pytest.warns(HubWarning, match="no model has 'ultrasound'$"):
        hub.search("ultrasound")  # a known word, but no model makes any


def test_each_search_warns_where_it_stands(hub):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        hub.search("qqqqq")
        hub.search("qqqqq")
    assert [warning.filename for warning in caught] == [__file__] * 2


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        ({"operator": "nand"}, "no operator 'nand'; use and, or or xor"),
        ({"words": "a1 and b1 or c1"}, "and and or contradict each other"),
        ({"words": "a1 or b1", "operator": "xor"}, "or and xor contradict"),
        ({"words": "x1 " * 33}, "33 words are too many; use at most 32"),
        ({"limit": 0}, "the limit is 0; it must be a whole number of at least 1"),
        ({"order": "asc"}, "order asc needs a metric"),
        ({"rank_by": "FID", "order": "up"}, "no order 'up'; use asc or desc"),
        ({"colour": "red"}, "no filter 'colour'; use modality, organ"),
        ({"words": None}, "a word is None; it must be text, or a list of texts"),
        ({"words": [5]}, "a word is 5; it must be text"),
        ({"operator": 5}, "the operator is 5; it must be text"),
        ({"modality": 5}, "the modality is 5; it must be text, or a list"),
        ({"modality": ["MRI", 5]}, "the modality is 5; it must be text"),
        ({"rank_by": 5}, "the metric is 5; it must be text"),
        ({"rank_by": "FID", "order": 5}, "the order is 5; it must be text"),
    ],
)
def test_what_cannot_be_asked_is_an_error_that_says_what_can(hub, criteria, message):
    with pytest.raises(RequestError, match=message):
        hub.search(**criteria)


# Filters


def test_filters_keep_the_models_with_a_value(hub):
    assert len(numbers(hub.search(modality="mammography"))) == 12
    assert numbers(hub.search(architecture="dcgan")) == ["00017", "00001", "00005", "00002"]
    assert numbers(hub.search("density", dataset="csaw")) == ["00016", "00015"]
    assert numbers(hub.search(task="inpainting")) == ["00007"]
    assert numbers(hub.search(licence="not stated")) == ["00021", "00007", "00022"]
    assert found(hub.search(organ="brain", modality="T2")) == [
        "cyclegan-brain-mri-t1-t2",
        "inpaint-brain-mri",
    ]


@pytest.mark.parametrize("value", ["MMG", "Mammogram", "mammograms", "x-ray mammography"])
def test_a_filter_knows_synonyms(hub, value):
    assert found(hub.search(modality=value)) == found(hub.search(modality="mammography"))


@pytest.mark.parametrize(
    ("name", "value"), [("architecture", "WGANGP"), ("dataset", "cbis ddsm"), ("organ", "Heart")]
)
def test_a_filter_ignores_case_and_hyphens(hub, name, value):
    assert hub.search(**{name: value})


def test_a_filter_takes_several_values(hub):
    both = hub.search(dataset=["INbreast", "CSAW"])
    assert sorted(numbers(both)) == ["00001", "00015", "00016"]


def test_an_unknown_value_lists_the_known_ones(hub):
    with pytest.raises(
        RequestError, match="no model has the organ 'knee'; there are brain, breast"
    ):
        hub.search(organ="knee")


def test_of_many_known_values_the_close_ones_are_listed(small):
    names = [f"organ{n}" for n in range(60)]
    index = small(*({"organ": [name]} for name in names), {"organ": ["zygomatic"]})
    with pytest.raises(RequestError, match=r"there are zygomatic, organ0.* and 21 more"):
        index.search(organ="zygomatik")


def test_installed_and_other_models_can_be_told_apart(install):
    install("toy-noise")
    hub = Hub()
    assert "toy-noise" in found(hub.search(installed=True))
    assert "toy-noise" not in found(hub.search(installed=False))
    assert len(hub.search(installed=False)) == len(hub.models()) - len(hub.search(installed=True))


# Ranking


def test_ranking_by_fid(hub):
    ranked = hub.search(rank_by="FID", order="asc")
    assert numbers(ranked)[:3] == ["00023", "00020", "00021"]
    assert [match.value for match in ranked[:3]] == [28.71, 52.17, 59.49]
    assert {match.metric for match in ranked} == {"FID"}
    assert len(ranked) == len(hub.models())
    values = [match.value for match in ranked]
    unknown = values.count(None)
    assert values[-unknown:] == [None] * unknown  # models without it come after
    assert values[0] < values[-unknown - 1]


def test_descending_and_ascending_are_each_others_reverse(hub):
    up = [m.value for m in hub.search(rank_by="FID_ratio", order="asc") if m.value is not None]
    down = [m.value for m in hub.search(rank_by="FID_ratio", order="desc") if m.value is not None]
    assert up == sorted(up)
    assert down == up[::-1]


@pytest.mark.parametrize(
    ("metric", "best"),
    [
        ("FID", 28.71),
        ("FID_RADIMAGENET_ratio", 0.593),
        ("CLF.trained_on_real_and_fake.f1", 0.969),
        ("SEG.trained_on_fake.dice_loss", 0.137),
        ("turing_test.AUC", 0.45),
        ("downstream_task.SEG.trained_on_real_and_fake.dice", 0.814),
        ("fid_radimagenet", 0.77),
    ],
)
def test_without_an_order_the_better_comes_first(hub, metric, best):
    assert hub.search(rank_by=metric)[0].value == best


def test_of_several_values_the_order_decides_which_counts(small):
    figures = [{"metric": "M", "value": v, "better": "higher"} for v in (1, 5)]
    index = small({"performance": figures}, {"performance": [{"metric": "M", "value": 3}]})
    assert [m.value for m in index.search(rank_by="M", order="asc")] == [1, 3]
    assert [m.value for m in index.search(rank_by="M", order="desc")] == [5, 3]
    assert [m.value for m in index.search(rank_by="M")] == [5, 3]


def test_where_neither_direction_is_better_the_value_nearest_to_the_ideal_comes_first(small):
    figures = [{"metric": "M", "value": v, "better": None, "ideal": 0.5} for v in (0.3, 0.9, 0.52)]
    index = small(*({"performance": [figure]} for figure in figures))
    assert [m.value for m in index.search(rank_by="M")] == [0.52, 0.3, 0.9]
    assert [m.value for m in index.search(rank_by="M", order="asc")] == [0.3, 0.52, 0.9]


def test_a_figure_of_some_images_alone_is_not_ranked(small):
    whole = {"metric": "M", "value": 2, "better": "lower"}
    part = whole | {"value": 1, "group": "benign"}
    index = small({"performance": [part, whole]}, {"performance": [part]})
    assert [m.value for m in index.search(rank_by="M")] == [2, None]


def test_a_metric_without_direction_needs_an_order(hub):
    words = r"variety\.synthetic has no better direction; name an order"
    with pytest.raises(RequestError, match=words):
        hub.search(rank_by="variety.synthetic")
    assert hub.search(rank_by="variety.synthetic", order="asc")[0].value == 19.29


def test_a_metric_that_no_model_has_lists_those_that_exist(hub):
    with pytest.raises(RequestError, match="no model has the metric 'speed'; there are ") as e:
        hub.search(rank_by="speed")
    assert "CLF.trained_on_real_and_fake.f1" in str(e.value)


def test_words_filters_rank_and_limit_work_together(hub):
    matches = hub.search("mass", modality="MMG", rank_by="FID", limit=2)
    assert [match.value for match in matches] == [80.51, 137.75]
    assert "mass" in matches[0].fields


MADE = {
    "metric": "M",
    "better": "lower",
    "reference": "real",
    "extractor": "texture",
    "normalized": False,
    "num_images": 100,
    "protocol": "hub",
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reference": "others"}, "differ in real images (real, others): this is no order of the"),
        ({"extractor": "imagenet"}, "differ in extractor (texture, imagenet): this"),
        ({"normalized": True}, "differ in normalisation (False, True): this"),
        ({"num_images": 50}, "differ in number of images (100, 50): this"),
        ({"protocol": "medigan"}, "differ in protocol (hub, medigan): this"),
        ({"normalized": None}, "of M don't all say their normalisation: this"),
        (
            {"num_images": 50, "extractor": None},
            "differ in number of images (100, 50), and don't all say their extractor: this",
        ),
    ],
)
def test_figures_that_were_not_made_alike_are_told(small, changes, words):
    figures = [MADE | {"value": 1}, MADE | {"value": 2} | changes]
    index = small(*({"performance": [figure]} for figure in figures))
    with pytest.warns(HubNote) as caught:
        index.search(rank_by="M")
    (note,) = caught
    assert words in str(note.message)
    assert str(note.message).endswith("to measure models side by side: medigan benchmark")


@pytest.mark.filterwarnings("error")
def test_of_figures_that_were_made_alike_or_of_one_model_nothing_is_told(small):
    figures = [{"performance": [MADE | {"value": n}]} for n in (1, 2)]
    other = {"performance": [MADE | {"value": 3, "num_images": 7}], "organ": ["eye"]}
    index = small(*figures, other)
    assert [m.value for m in index.search(rank_by="M", organ="breast")] == [1, 2]
    assert [m.value for m in index.search(rank_by="M", organ="eye")] == [3]


def test_published_figures_are_told_to_be_of_different_references(hub):
    with pytest.warns(HubNote, match=r"of FID differ in real images \(.*BCDR.* and \d+ more\)"):
        hub.search(rank_by="FID")


# In one call


def test_an_unknown_wish_is_an_error_that_lists_the_known(hub):
    with pytest.raises(
        RequestError, match="no 'n' to ask for; use allow_archive_code, architecture, balance"
    ):
        hub.find_and_generate("mass", n=4)


def test_a_hub_and_its_matches_can_go_to_another_process(hub):
    matches = hub.search("dcgan BCDR", rank_by="FID")
    copy = pickle.loads(pickle.dumps(hub))  # noqa: S301 (our own)
    assert found(copy.search("dcgan BCDR")) == found(hub.search("dcgan BCDR"))
    match = pickle.loads(pickle.dumps(matches[0]))  # noqa: S301
    assert (match.value, match.fields) == (matches[0].value, matches[0].fields)


def test_a_hub_is_searched_from_several_threads(small):
    index = small(*({"tags": [f"tag{n}"]} for n in range(50)))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: index.search(f"tag{n}"), range(50)))
    assert [found(matches) for matches in results] == [[f"toy-{n}"] for n in range(50)]
    assert all(match.fields for matches in results for match in matches)


@pytest.fixture
def toys(install, document):
    def make(name, value):
        figure = {"metric": "Toyness", "value": value, "better": "higher"}
        changed = document | {"name": name, "plugin": f"medigan-model-{name}"}
        install(name, document=changed | {"tags": ["toyish"], "performance": [figure]})

    make("toy-good", 2)
    make("toy-better", 3)
    return Hub()


def test_search_rank_and_generate_in_one_call(toys):
    result = toys.find_and_generate("toyish", rank_by="Toyness", num_samples=3, seed=5)
    assert result.model.name == "toy-better"
    assert result.reason == "toy-better: the best of 2 matches for 'toyish' by Toyness (3)"
    assert result.reason in repr(result)
    batches = list(result)
    expected = list(toys.generate("toy-better", 3, seed=5))
    assert [batch.indices.tolist() for batch in batches] == [[0, 1, 2]]
    assert (batches[0].arrays["image"] == expected[0].arrays["image"]).all()


def test_the_first_sample_of_the_best_can_be_taken_at_once(toys):
    assert len(next(toys.find_and_generate("toyish", num_samples=2, batch_size=1))) == 1


def test_better_models_that_are_not_installed_are_named(toys):
    result = toys.find_and_generate(
        ["toyish", "polyp"], operator="or", num_samples=1, rank_by="FID"
    )
    assert result.model.name.startswith("toy-")
    assert "the best installed of" in result.reason
    assert "ahead of it, not installed: fastgan-polyp-masks" in result.reason


def test_without_an_installed_match_nothing_is_generated(toys):
    with pytest.raises(RequestError, match=r"none of .* is installed; get the best: medigan inst"):
        toys.find_and_generate("polyp", num_samples=1)
    with pytest.raises(RequestError, match="0 matches for 'polyp mammography'"):
        toys.find_and_generate("polyp mammography", num_samples=1)


@pytest.mark.skipif(sys.platform != "linux", reason="libraries see each other on Linux alone")
def test_words_are_found_after_tensorflow_brought_an_sqlite_of_its_own():
    code = (
        "import sys, tensorflow; assert 'sqlite3' not in sys.modules;"
        "from medigan_hub import Hub; print(Hub().search('tomosynthesis')[0].entry.metadata.name)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout == "cyclegan-dbt\n", result.stderr
