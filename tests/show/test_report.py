"""The report on a small made-up tree: complete, self-contained, described, and the same bytes twice."""

import base64
import io
import json
import re
import shutil

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from nbformat import v4
from PIL import Image

from lib.measure.metric import estimate, exact, write
from lib.paths import ROOT
from lib.show import report
from lib.show.claims import load
from lib.show.pages import page


@pytest.fixture
def root(tmp_path):
    """claims.yaml, one run of kinetics with metrics, two figures, an executed notebook; one data card."""
    shutil.copy(ROOT / "claims.yaml", tmp_path)
    features = ("distances", "tokens_equilibrium", "tokens_nonequilibrium", "tokens_random", "torsions")
    write(
        tmp_path / "metrics/kinetics/ala2.json",
        {
            "vamp2": {name: estimate([2.0 + i, 2.01 + i, 2.02 + i]) for i, name in enumerate(features)},
            **{
                f"gain_over_{than}_percent": {name: estimate([11.0, 12.0, 13.0], "%") for name in features[1:]}
                for than in ("distances", "random", "tokens_equilibrium")
            },
            "lag_ps": exact(10, "ps"),
        },
    )
    figures = tmp_path / "artifacts/figures/kinetics_ala2"
    figures.mkdir(parents=True)
    for name, about in (("scores", {"Description": "VAMP-2 by feature, λ < 1, n = 3"}), ("plane_one", {})):
        figure, axes = plt.subplots(figsize=(2, 1))
        axes.plot([0, 1])
        figure.savefig(figures / f"{name}.png", metadata={"Software": None, **about})
        plt.close(figure)
    (tmp_path / "data/ala2").mkdir(parents=True)
    card = {"name": "ala2", "what": "Peptide <b>", "engine": "OpenMM", "settings": {"seed": 7}, "sha256": {"x": "abc"}}
    (tmp_path / "data/ala2/card.json").write_text(json.dumps(card))
    (tmp_path / "executed").mkdir()
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(buffer, "PNG")
    picture = {"image/png": base64.b64encode(buffer.getvalue()).decode()}
    cells = [
        v4.new_markdown_cell("# Kinetics, executed\n\nClaim C2."),
        v4.new_code_cell("1 + 1", outputs=[v4.new_output("display_data", data=picture)]),
    ]
    nbformat.write(v4.new_notebook(cells=cells), tmp_path / "executed/kinetics_ala2.ipynb")
    html = page(tmp_path / "executed/kinetics_ala2.ipynb")
    (tmp_path / "executed/kinetics_ala2.html").write_text(html)
    return tmp_path


def soup(path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_every_claim_has_its_row_with_verdict(root):
    html = soup(report.build(root))
    for claim in load():
        row = html.find(id=claim.id)
        assert claim.statement in row.get_text(), claim.id
        assert row.find(class_="verdict").get_text().strip(), claim.id
    assert "not reproduced" in html.find(id="P1-C2-ala2").get_text()
    assert "✔ reproduced" in html.find(id="P1-C2-ala2-sign").get_text()
    assert html.find(id="P1-C2-ala2").find("a")["href"] == "../../executed/kinetics_ala2.html"


def test_questions_open_the_report_and_lead_to_their_claims(root):
    html = soup(report.build(root))
    ours = [claim for claim in load() if (claim.metric or "").startswith("kinetics/ala2.json")]
    asked = {claim.question: claim.id for claim in ours if claim.question}
    rows = html.select("#brief tbody tr")
    assert {row.td.get_text(): row.a["href"] for row in rows} == {q: f"#{id}" for q, id in asked.items()}
    assert html.main.section["id"] == "brief"


def test_numbers_of_a_run_are_folded_away(root):
    html = soup(report.build(root))
    table = html.find("h4", id="kinetics-ala2").find_next("table", class_="numbers")
    assert not table.find_parent("details").has_attr("open")
    assert table.find_parent("details").summary.get_text() == f"{len(table.select('tbody tr'))} numbers of this run"


def both(root):
    return [soup(path) for path in (report.build(root), root / "executed/kinetics_ala2.html")]


def test_nothing_is_requested_from_outside(root):
    for html in both(root):
        assert not html.find_all(["script", "iframe", "object", "embed"])
        for tag in html.find_all(True):
            for name in ("src", "href", "srcset", "data", "action", "poster"):
                if tag.has_attr(name) and tag.name != "a":
                    assert tag[name].startswith("data:"), f"{tag.name} {name}={tag[name][:60]}"
        for style in html.find_all("style"):
            assert "@import" not in style.get_text()
            assert not re.search(r"url\((?!['\"]?data:)", style.get_text())


def test_links_inside_the_report_lead_somewhere(root):
    index = report.build(root)
    html = soup(index)
    for link in html.find_all("a"):
        target = link["href"]
        if target.startswith("#"):
            assert html.find(id=target[1:]), target
        elif not target.startswith("https://arxiv.org/abs/"):
            assert (index.parent / target).is_file(), target


def test_every_picture_is_described(root):
    index, notebook = both(root)
    assert [image["alt"] for image in index.find_all("img")] == [
        "plane one (kinetics ala2)",
        "VAMP-2 by feature, λ < 1, n = 3",
    ]
    assert [image["alt"] for image in notebook.find_all("img")] == ["Figure: Kinetics, executed"]


def test_pictures_of_an_executed_notebook_are_packed_too(root):
    _, notebook = both(root)
    (image,) = notebook.find_all("img")
    kind, _, data = image["src"].partition(",")
    assert kind == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as found:
        assert found.convert("RGB").getpixel((2, 1)) == (255, 0, 0)


def test_pictures_lose_no_pixel_and_weigh_less(tmp_path):
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.imshow(np.random.default_rng(0).normal(size=(30, 40)))
    figure.savefig(tmp_path / "a.png", metadata={"Description": "noise"})
    plt.close(figure)
    shown = report.figure(tmp_path / "a.png", "run")
    packed = base64.b64decode(shown["source"].removeprefix("data:image/webp;base64,"))
    with Image.open(io.BytesIO(packed)) as found, Image.open(tmp_path / "a.png") as original:
        assert np.array_equal(np.asarray(found.convert("RGB")), np.asarray(original.convert("RGB")))
    assert len(packed) < (tmp_path / "a.png").stat().st_size
    assert shown["alt"] == "noise"


def test_metrics_and_cards_are_shown_as_text(root):
    html = soup(report.build(root))
    assert "Peptide <b>" in html.find(id="data").get_text()
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in html.select("table.numbers tr")]
    assert ["lag ps", "10 ps", "", "1"] in rows
    assert any(row[:1] == ["gain over distances percent · tokens equilibrium"] and row[1] == "12 %" for row in rows)


def test_same_input_gives_same_bytes_without_paths_or_leftovers(root):
    first = report.build(root).read_bytes()
    assert report.build(root).read_bytes() == first
    assert str(root).encode() not in first
    assert not list((root / "artifacts/report").rglob("*.tmp"))


def test_compute_is_summed_and_published_figures_are_listed(root):
    (root / "docs").mkdir()
    note = {"wall_s": 120, "processor_s": 90, "memory_gb": 1.0, "machine": "a laptop, 2 cores"}
    (root / "docs/compute.json").write_text(json.dumps({"kinetics.ala2": note, "spib.ala2": note | {"memory_gb": 2.5}}))
    html = soup(report.build(root))
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in html.find(id="compute").find_all("tr")]
    assert rows[1:] == [
        ["kinetics.ala2", "1.5", "2.0", "1.0", "a laptop, 2 cores"],
        ["spib.ala2", "1.5", "2.0", "2.5", "a laptop, 2 cores"],
        ["all", "3", "4", "2.5", ""],
    ]
    listed = [link.get_text() for link in html.find(id="published").select("td b a")]
    assert listed == [claim.id for claim in load() if re.match(r"P\d-[FTR]", claim.id)]
    assert html.find(id="P1-C2-ala2").find("svg")


def test_without_any_run_every_section_says_so(tmp_path):
    shutil.copy(ROOT / "claims.yaml", tmp_path)
    html = soup(report.build(tmp_path))
    assert html.find(id="stage-kinetics").find_next("p").get_text() == "Not run."
    assert "No claim is judged" in html.find(id="claims").get_text()
    assert "dvc pull" in html.find(id="data").get_text()
    assert all(html.find(id=link["href"].removeprefix("#")) for link in html.select("nav a"))


def test_damaged_inputs_are_named(root):
    (root / "data/ala2/card.json").write_text("{")
    with pytest.raises(ValueError, match=r"card.json is not JSON"):
        report.build(root)
    (root / "executed/kinetics_ala2.ipynb").write_text("no notebook")
    with pytest.raises(ValueError, match=r"kinetics_ala2.ipynb is not a notebook"):
        page(root / "executed/kinetics_ala2.ipynb")
