"""How long the page takes from a slider to the picture.

Moves a slider of the bundled 128 x 128 model in Chromium, key by key, and measures
inside the page: from the key to the new picture, decoded and painted. Prints the
median and the 95th percentile, and how long the network alone takes in the same run.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time

from playwright.sync_api import sync_playwright

from medigan_hub import Hub
from medigan_hub.app.server import serve
from medigan_hub.app.settings import Settings

MODEL = "fastgan-brain-mri"
SLIDER = "range slider for Components 1 to 5"
MEASURE = """
slider => new Promise(done => {
    const picture = document.querySelector('#steered');
    const begun = performance.now();
    const watcher = new MutationObserver(async () => {
        const image = picture.querySelector('img');
        if (!image) return;
        watcher.disconnect();
        await image.decode();
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
    });
    watcher.observe(picture, {childList: true, subtree: true, attributes: true});
    slider.stepUp();
    slider.dispatchEvent(new Event('input', {bubbles: true}));
})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=50, help="moves of the slider")
    parser.add_argument("--model", default=MODEL)
    arguments = parser.parse_args()

    hub = Hub()
    running = serve(hub, Settings(arguments.model), port=0)
    try:
        with sync_playwright() as playwright:
            times = _in_chromium(playwright, running.url, arguments.n)
    finally:
        running.close()
    alone = [_seconds(hub, arguments.model) for _ in range(arguments.n)]
    network = statistics.median(alone) * 1000
    median = statistics.median(times)
    print(f"from slider to picture, median          {median:6.1f} ms of {len(times)}")
    print(
        f"from slider to picture, 95th percentile {statistics.quantiles(times, n=20)[-1]:6.1f} ms"
    )
    print(
        f"one sample by Hub.generate, median      {network:6.1f} ms, {network / median:.0%} of it"
    )


def _in_chromium(playwright, url: str, moves: int) -> list[float]:  # type: ignore[no-untyped-def]
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SystemExit("there is no Chromium: install the Debian package chromium")
    browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
    page = browser.new_page()
    page.goto(url)
    page.get_by_role("tab", name="Steer").click()
    page.locator("#steered img").first.wait_for()
    slider = page.get_by_label(SLIDER)
    slider.evaluate(MEASURE)  # the first one warms up
    times = [slider.evaluate(MEASURE) for _ in range(moves)]
    browser.close()
    return times


def _seconds(hub: Hub, model: str) -> float:
    start = time.perf_counter()
    for _ in hub.generate(model, 1):
        pass
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
