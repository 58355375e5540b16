"""What a model's document says is shown as it stands, and never run or followed."""

from __future__ import annotations

from support.driving import captions, generate, use

HTML = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
LINK = "![tracked](http://example.org/pixel.png) [here](javascript:document.title='run')"


def test_a_document_cannot_put_anything_into_the_page(open_page, install, document):
    document["conditions"] = [
        {
            "name": "kind",
            "type": "string",
            "description": HTML + LINK,
            "default": None,
            "choices": [HTML, "plain"],
        }
    ]
    document |= {"title": HTML, "description": HTML + LINK, "limitations": [HTML, LINK]}
    document["organ"] = [HTML]
    install(document=document)
    page = open_page()
    page.get_by_label("Search").fill("toy-noise")
    page.get_by_role("button", name="Card of toy-noise").click()
    card = page.locator("#card")
    card.get_by_role("heading", name="Limitations").wait_for()
    assert "onerror" in card.inner_text()
    tab = use(page, "toy-noise", "Generate")
    generate(tab, count="1")
    assert len(captions(tab)) == 1
    use(page, "toy-noise", "Steer").locator("#steered figure").wait_for()
    assert page.title() == "medigan-hub"
    assert page.locator("img[src='x'], img[src*='example.org'], a[href^=javascript]").count() == 0
