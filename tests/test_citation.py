from __future__ import annotations

import pytest

from medigan_hub.citation import bibtex
from medigan_hub.metadata import ModelMetadata


@pytest.fixture
def cite(document):
    return lambda **changes: bibtex(ModelMetadata.from_document(document | changes))


PAPER = {
    "title": "Masses & more: 100 % synthetic",
    "authors": ["Ana Müller", "Bo Li"],
    "venue": "Journal of Toys",
    "year": 2020,
    "doi": "10.1000/toy_1",
}


def test_a_paper_becomes_an_entry(cite):
    assert cite(publications=[PAPER]) == "\n".join(
        [
            "@article{muller2020masses,",
            r"  title = {{Masses \& more: 100 \% synthetic}},",
            "  author = {Ana Müller and Bo Li},",
            "  journal = {Journal of Toys},",
            "  year = {2020},",
            "  doi = {10.1000/toy_1},",
            "  url = {https://doi.org/10.1000/toy_1},",
            "}",
        ]
    )


@pytest.mark.parametrize(
    ("venue", "kind"),
    [
        ("Workshop on Toys", "inproceedings"),
        ("Toys 2020, Proceedings of SPIE", "inproceedings"),
        ("arXiv", "misc"),
        ("Zenodo", "misc"),
    ],
)
def test_the_venue_tells_the_kind_of_entry(cite, venue, kind):
    assert cite(publications=[PAPER | {"venue": venue}]).startswith(f"@{kind}{{")


@pytest.mark.parametrize("author", ["Иван Петров", "王 小明", "---"])
def test_an_author_without_latin_letters_gets_a_key(cite, author):
    text = cite(publications=[PAPER | {"authors": [author]}])
    assert text.startswith("@article{noise2020masses,")
    assert f"author = {{{author}}}" in text


def test_nothing_of_a_document_breaks_out_of_its_field(cite):
    evil = r"a } b, author={x}} @misc{evil, title={\input{/etc/passwd}"
    text = cite(publications=[PAPER | {"title": evil, "authors": ["Research and Development"]}])
    assert text.count("{") == text.count("}")
    assert r"\input" not in text
    assert "author = {{Research and Development}}" in text
    assert len([line for line in text.splitlines() if line.startswith("@")]) == 1


def test_keys_are_unique(cite):
    text = cite(publications=[PAPER, PAPER, PAPER])
    assert len({line for line in text.splitlines() if line.startswith("@")}) == 3


def test_a_publication_known_by_its_doi_takes_the_models_title(cite):
    text = cite(publications=[{"doi": "10.1000/x"}])
    assert "title = {{Noise, for tests}}" in text
    assert "doi = {10.1000/x}" in text


def test_a_model_without_publications_is_cited_itself(cite):
    text = cite(
        authors=[{"name": "Ana Müller"}],
        year=2021,
        weights=[
            {
                "runtime": "torch",
                "format": "pytorch",
                "files": [{"role": "network", "url": "https://zenodo.org/records/1"}],
            }
        ],
    )
    assert text.startswith("@misc{muller2021noise,")
    assert "url = {https://zenodo.org/records/1}" in text
    assert cite().startswith("@misc{")
