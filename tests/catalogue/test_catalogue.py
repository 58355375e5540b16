from __future__ import annotations

import pytest

from medigan_hub import Hub, UnknownModelError


@pytest.fixture
def hub(install, document):
    install("toy-noise")
    published = {
        **document,
        "name": "dcgan-mmg",
        "plugin": "medigan-model-dcgan-mmg",
        "medigan_id": "00005_DCGAN_MMG_MASS_ROI",
    }
    install("dcgan-mmg", document=published)
    return Hub()


@pytest.mark.parametrize("name", ["dcgan-mmg", "00005_DCGAN_MMG_MASS_ROI", "00005", "5"])
def test_a_model_is_found_by_name_medigan_id_and_number(hub, name):
    assert hub.model(name).metadata.name == "dcgan-mmg"


@pytest.mark.parametrize("typo", ["toy-nois", "toynoise", "TOY_NOISE"])
def test_an_unknown_name_is_answered_with_the_closest(hub, typo):
    with pytest.raises(UnknownModelError, match=f"no model '{typo}'; close to it: toy-noise"):
        hub.model(typo)


def test_a_name_like_no_other_is_answered_with_the_way_to_the_list(hub):
    with pytest.raises(UnknownModelError, match="medigan list"):
        hub.model("qqqqqqqq")
