"""The report and an executed notebook as a reader's browser shows them, from disk and from a web server."""

import pytest
from support import serving_folder

from lib.paths import ARTIFACTS, ROOT


REPORT = ARTIFACTS / "report" / "index.html"
PHONE = {"width": 390, "height": 800}

pytestmark = pytest.mark.skipif(not REPORT.exists(), reason="no report here; `dvc pull` fetches it")


@pytest.fixture(params=["disk", "server"])
def address(request):
    """Where artifacts/report/index.html is to be seen."""
    if request.param == "disk":
        yield REPORT.as_uri()
        return
    with serving_folder(ROOT) as root:
        yield f"{root}{REPORT.relative_to(ROOT)}"


def test_opens_without_errors_or_outside_requests(page, address):
    page.goto(address)
    assert page.errors == []
    origin = address.split("artifacts/")[0]
    assert [url for url in page.requests if not url.startswith((origin, "data:"))] == []


def test_pictures_are_there_and_described(page):
    page.goto(REPORT.as_uri())
    pictures = page.eval_on_selector_all("img", "all => all.map(i => [i.alt, i.complete && i.naturalWidth])")
    assert len(pictures) > 5
    assert all(len(alt) > 20 and width > 100 for alt, width in pictures)


def test_links_inside_the_page_and_to_notebooks_lead_somewhere(page):
    page.goto(REPORT.as_uri())
    links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
    anchors = {link[1:] for link in links if link.startswith("#")}
    assert anchors <= set(page.eval_on_selector_all("[id]", "all => all.map(e => e.id)"))
    files = {link.split("#")[0] for link in links if not link.startswith(("#", "http"))}
    assert files
    assert [link for link in files if not (REPORT.parent / link).exists()] == []


@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 900}], ids=["phone", "desk"])
def test_nothing_sticks_out_sideways(page, size):
    page.set_viewport_size(size)
    page.goto(REPORT.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_prints(page, tmp_path):
    page.goto(REPORT.as_uri())
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").stat().st_size > 100_000


def test_an_executed_notebook_opens_from_the_report(page):
    page.goto(REPORT.as_uri())
    page.locator("table.claims a[href*=executed]").first.click()
    assert "executed/" in page.url
    assert page.locator("h1").count() >= 1
    assert page.errors == []
