"""report.html in headless Chromium: it renders, the slider moves the numbers, nothing leaves the page."""

import shutil
from pathlib import Path

import pytest

from echokit.cli import exit_code

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

CUT_OFF = """[...document.querySelectorAll('main *')]
  .filter(part => part.clientWidth && getComputedStyle(part).overflowX !== 'visible')
  .filter(part => part.scrollWidth > part.clientWidth + 1).map(part => part.outerHTML)"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Path:
    from tests.conftest import TINY

    folder = tmp_path_factory.mktemp("browser")
    (folder / "tiny.yaml").write_text(TINY.format(root=phantom))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert exit_code(["run", str(folder / "tiny.yaml"), "--out", str(folder / "runs")]) == 0
    return folder / "runs" / "tiny" / "latest" / "report.html"


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium")
@pytest.mark.parametrize(("width", "scheme"), [(1180, "light"), (390, "dark")])
def test_it_renders_and_the_slider_moves_the_numbers(page: Path, tmp_path: Path, width: int, scheme: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
            reduced_motion="reduce",
        )
        said: list[str] = []
        asked: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(page.resolve().as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width  # nothing sticks out
        assert not tab.evaluate(CUT_OFF)
        assert all(tab.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 0)"))
        cells = {name: tab.locator(f"#{name}") for name in ("tp", "fp", "fn", "tn")}
        positives = int(cells["tp"].inner_text()) + int(cells["fn"].inner_text())
        assert tab.locator("#slider-state").inner_text().startswith("locked")
        tab.evaluate("s => { const e = document.getElementById('slider'); e.value = s; "
                     "e.dispatchEvent(new Event('input')) }", 0)  # fmt: skip
        assert int(cells["tp"].inner_text()) == positives
        assert int(cells["fn"].inner_text()) == 0
        assert tab.locator("#sensitivity").inner_text().startswith("1.00")
        assert tab.locator("#slider-state").inner_text().startswith("exploratory")
        tab.locator("#slider-back").click()
        assert tab.locator("#slider-state").inner_text().startswith("locked")
        tab.mouse.move(0, 0)
        for tip in tab.locator(".tip").all():
            tip.focus()
            assert tip.locator(".tip-text").is_visible()
            box = tip.locator(".tip-text").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        tab.keyboard.press("Tab")
        assert not tip.locator(".tip-text").is_visible()
        with tab.expect_download() as download:
            tab.locator("a[download]").click()
        download.value.save_as(tmp_path / "lock.yaml")
        assert (tmp_path / "lock.yaml").read_bytes() == (page.parent / "lock.yaml").read_bytes()
        outside = [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
        assert not outside
        assert not said
        assert len(tab.screenshot(full_page=True)) > 20_000
        browser.close()
