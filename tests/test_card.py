from __future__ import annotations

from medigan_hub.contribution.card import readme
from medigan_hub.metadata import ModelMetadata


def test_a_cell_of_a_table_ends_where_it_should(document):
    figure = {"metric": "FID", "value": 3.5, "compares": "real | synthetic\nimages"}
    document["performance"] = [figure]
    card = readme(ModelMetadata.from_document(document))
    (row,) = [line for line in card.splitlines() if line.startswith("| FID")]
    assert r"real \| synthetic images" in row
    assert row.replace(r"\|", "").count("|") == 6


def test_a_card_says_where_the_weights_are(document):
    bundled = readme(ModelMetadata.from_document(document))
    assert "which come with the package" in bundled
    assert "downloads" not in bundled
    document["weights"] = {"source": "remote", "format": "zip", "url": "https://zenodo.org/x.zip"}
    remote = readme(ModelMetadata.from_document(document))
    assert "it downloads them from their Zenodo record" in remote
    assert "come with the package" not in remote
