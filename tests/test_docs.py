"""The documentation is true: transcripts are executed, other code blocks name their test, links lead somewhere."""

import fnmatch
import re
import subprocess
from pathlib import Path

import pytest
from test_clone import committed

from lib.paths import ROOT
from lib.verify.execute import environment


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"(?:^<!-- (?P<note>[^>]*) -->\n)?^```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.M | re.S)


def transcript(page: Path) -> list[tuple[str, list[str]]]:
    """(command, expected lines) of every ```console block."""
    steps = []
    for fence in FENCE.finditer(page.read_text()):
        if fence["kind"] == "console":
            for line in fence["body"].splitlines():
                if line.startswith("$ "):
                    steps.append((line[2:], []))
                else:
                    steps[-1][1].append(line)
    return steps


def agrees(expected: list[str], shown: list[str]) -> bool:
    """Whether the lines are those expected; `...` stands for any number of lines, and within a line for any text."""
    if not expected:
        return not shown
    if expected[0] == "...":
        return agrees(expected[1:], shown) or (bool(shown) and agrees(expected, shown[1:]))
    pattern = fnmatch.translate(expected[0].replace("[", "[[]").replace("...", "*"))
    return bool(shown) and bool(re.match(pattern, shown[0])) and agrees(expected[1:], shown[1:])


def test_a_transcript_is_compared_line_by_line():
    assert agrees(["a", "...", "z"], ["a", "b", "c", "z"])
    assert agrees(["...", "file:///.../x [1]"], ["file:///y/x [1]"])
    assert not agrees(["a", "...", "z"], ["a", "b"])
    assert not agrees(["a"], ["a", "b"])
    assert not agrees([], ["warning"])


@pytest.mark.skipif(not committed(), reason="remote/ or dvc.lock is missing: nothing to pull")
@pytest.mark.parametrize("page", [p for p in PAGES if transcript(p)], ids=lambda p: p.name)
def test_every_transcript_is_what_happens(page, fresh, quick):
    for command, expected in transcript(page):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=fresh,
            env=environment() | {"DVC_NO_ANALYTICS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        shown = [line.rstrip() for line in done.stdout.splitlines()]
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        assert agrees(expected, [line for line in shown if line]), f"$ {command}\n{done.stdout}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_other_code_block_says_what_tests_it(page):
    for fence in FENCE.finditer(page.read_text()):
        if fence["kind"] == "console":
            continue
        note = fence["note"] or ""
        tested = re.match(r"tested by (\S+\.py|\.ci/run)", note)
        assert (tested and (ROOT / tested[1]).exists()) or re.match(r"not tested: \S", note), fence["body"]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_relative_link_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
