"""Cards of models, as a reader of Markdown sees them. Those of published models: test_published."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt  # which Rich brings

from medigan_hub import metadata
from medigan_hub.card import readme
from medigan_hub.metadata import ModelMetadata

HOSTILE = [
    "a | b || c",
    "\\| \\\\| \\",
    "<script>alert(1)</script>",
    "<b onclick=x>bold</b> <!-- gone -->",
    "![](https://example.org/spy.png)",
    "[a link](javascript:alert(1)) [x][y] [y]: https://example.org 'z'",
    "<https://example.org> <a@example.org>",
    r"\[a](b) \\[a](b) \<i> \&lt; &lt; &#60;i> &copy;",
    "`code` ```x``` *stars* **more**",
    "1. one",
    "# heading",
    "> quote",
    "- item",
    "+ item",
    "~~~ x",
    "=== x",
    "[ ] task, [512, 512]",
]
LINES = [
    "first\nsecond\n\n# third",
    "```\n<b>x</b>\n```",
    "    <i>x</i>",
    "a\n\n    [c](d)",
    "| a |\n| --- |\n| b |",
]


def card(document):
    assert metadata.validate(document) == []
    return readme(ModelMetadata.from_document(document))


def tokens(text):
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield token
        yield from token.children or ()


def texts(text):
    """Return what is to be read in each heading, paragraph, item and cell."""
    return [
        "".join(child.content for child in token.children)
        for token in tokens(text)
        if token.type == "inline"
    ]


def with_text(document, text, line):
    """Put a text wherever a document may have one; ``line`` where it may have one line alone."""
    parameter = {"type": "string", "description": text, "default": line, "unit": line}
    choices = {"name": "kind", "type": "string", "description": text, "choices": [line, "left"]}
    document |= {
        "title": line,
        "description": text,
        "licence": line,
        "architecture": line,
        "framework": line,
        "organ": [line],
        "modality": [line],
        "training_data": [{"name": line, "access": "public"}],
        "conditions": [
            {"name": "side", **parameter},
            {**choices, "default": None, "turns": [line, "left"]},
        ],
        "options": [{"name": "more", **parameter}],
        "inputs": [
            {
                "name": "start",
                "kind": "image",
                "channels": ["x"],
                "required": False,
                "description": text,
                "default": text,
            }
        ],
        "performance": [
            {
                "metric": line,
                "value": 1,
                "compares": text,
                "extractor": line,
                "source": text,
                "protocol": line,
                "group": line,
            }
        ],
        "limitations": [text],
        "intended_use": text,
        "not_intended_for": [text],
        "privacy": text,
        "notes": [text],
        "publications": [{"title": line, "authors": [line], "venue": line}],
    }
    document["weights"][0]["evidence"] = line
    document["outputs"][0] |= {"description": text, "classes": [line, "other"]}
    return document


@pytest.mark.parametrize("text", [*HOSTILE, *LINES])
def test_what_a_document_says_stays_text(document, text):
    line = " ".join(text.split())
    plain = card(with_text(document, "harmless", "harmless"))
    found = card(with_text(document, text, line))
    # Headings, lists, cells, code and the like: those of a plain card, and no more.
    ours, theirs = ([token.type for token in tokens(each)] for each in (found, plain))
    paragraphs = len(text.strip().split("\n\n")) - 1  # of the description, which may have several
    for kind in {*ours, *theirs} - {"text", "text_special"}:
        more = paragraphs if kind in ("inline", "paragraph_open", "paragraph_close") else 0
        assert ours.count(kind) == theirs.count(kind) + more, kind
    assert not {"link_open", "image", "html_inline", "html_block", "em_open"} & {*ours}
    head, rest = texts(found)[:2], texts(found)[2:]
    description = " ".join(rest[: paragraphs + 1])
    assert [*head, description, *rest[paragraphs + 1 :]] == [
        words.replace("harmless", line) for words in texts(plain)
    ]


def test_a_cell_of_a_table_ends_where_it_should(document):
    document["performance"] = [
        {"metric": "FID", "value": 3.5, "compares": "real | synthetic\nimages"}
    ]
    (row,) = [line for line in card(document).splitlines() if line.startswith("| FID")]
    assert r"real \| synthetic images" in row
    assert row.replace(r"\|", "").count("|") == 6


def test_a_figure_comes_with_its_interval_baseline_and_numbers(document):
    figure = {"metric": "KID.texture", "value": 0.12, "interval": [0.1, 0.14], "baseline": 0.01}
    figure |= {"num_images": 600, "num_reference": 500, "better": "lower", "compares": "both"}
    document["performance"] = [
        figure | {"protocol": "hub", "group": "benign"},
        {"metric": "plain", "value": 2},
    ]
    rows = [line for line in card(document).splitlines() if line.startswith(("| KID", "| plain"))]
    assert rows == [
        "| KID.texture | 0.12 (0.1 to 0.14) | 0.01 | lower | 600, 500 real "
        "| both; benign alone; protocol hub |",
        "| plain | 2 |  |  |  |  |",
    ]


def test_weights_in_the_package_are_said_to_be_there(document):
    text = card(document)
    assert "Licence of the weights, which come with the package: MIT." in text
    assert "download" not in text
    assert "published code" not in text
    document["licence"] = None
    assert "package: not stated; ask the authors before you use the model." in card(document)


def remote(runtime="torch", **more):
    file = {"role": "network", "file": "weights.bin", "url": "https://example.org/w_1|2.bin"}
    return {"runtime": runtime, "format": "safetensors", "files": [file | more]}


def test_weights_elsewhere_are_said_to_be_downloaded(document):
    document["weights"] = [remote()]
    text = " ".join(texts(card(document)))
    assert (
        "Licence of the weights: MIT. This package does not hold them: it downloads them from "
        "https://example.org/w_1|2.bin when they are first used."
    ) in text
    assert "Zenodo" not in text
    document["weights"] = [remote(record="123")]
    assert "it downloads them from their Zenodo record when" in card(document)


def test_published_code_is_named_where_there_is_some(document):
    document["weights"] = [remote(record="123"), remote("archive", record="123")]
    document["archive"] = {"package": "toy", "function": "generate"}
    text = card(document)
    assert (
        "Licence of the weights and of the published code: MIT. This package holds neither: it "
        "downloads them from their Zenodo record when they are first used. Its own code: MIT."
    ) in text
    assert "by PyTorch; or by the code published with it" in text


def test_the_use_has_what_must_be_given(document):
    document["inputs"] = [
        {"name": name, "kind": "image", "channels": ["x"], "required": True}
        for name in ("t1", "t2")
    ]
    document["conditions"] = [
        {"name": "age", "type": "integer", "description": "Age.", "default": None},
        {"name": "left", "type": "boolean", "description": "Side.", "default": None},
    ]
    assert (
        "medigan generate toy-noise --input t1=PATH --input t2=PATH --condition age=VALUE -o out"
    ) in card(document)
    document["inputs"] = document["inputs"][:1]
    assert "medigan generate toy-noise --input PATH --condition age=VALUE -o out" in card(document)


def test_an_output_without_a_description_has_none(document):
    assert "- `image` (image, 8 x 6 x 1, uint8, 0 to 255)\n" in card(document)
