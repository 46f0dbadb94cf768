"""Every notebook opened in JupyterLab, as `make lab` starts it, and run with Run > Run All Cells.

One quick notebook in `make test`; all of them with `make browser`.
"""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from lib.paths import NOTEBOOKS, ROOT
from lib.verify.execute import environment


QUICK = "90_report"
PROGRESS = re.compile(r"\[\d\d:\d\d[<,]")  # of a tqdm bar, which writes where warnings go
PATIENCE_S = 900  # for one notebook on a busy machine
LAB = re.search(r"\$\(PYTHON\) -m (jupyter lab .*?)\n\n", (ROOT / "Makefile").read_text(), re.S)[1]
STATE = """() => {
  const panel = window.jupyterapp.shell.currentWidget, cells = panel.content.model.cells;
  const all = [...Array(cells.length).keys()].map(i => cells.get(i)).filter(c => c.type === 'code');
  const outputs = all.flatMap(c => c.outputs.toJSON());
  return {
    kernel: panel.sessionContext.session?.kernel?.name, status: panel.sessionContext.session?.kernel?.status,
    cells: all.length, run: all.filter(c => c.executionCount !== null).length,
    errors: outputs.filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue),
    pictures: outputs.filter(o => o.data && o.data['image/png']).length,
    warnings: outputs.filter(o => o.name === 'stderr').map(o => [].concat(o.text).join('')),
  };
}"""


@pytest.fixture(scope="module")
def lab(clone, tmp_path_factory):
    """Address and token of a JupyterLab in a clone; its app is exposed so that a test can read its state."""
    command = LAB.replace("\\\n", " ").replace("$(CURDIR)", str(clone))
    command = re.sub(r"\$\(if.*", "--allow-root" if os.geteuid() == 0 else "", command).split()
    command += ["--LabApp.expose_app_in_browser=True", "--ServerApp.port=0"]
    log = tmp_path_factory.mktemp("lab") / "log"
    with log.open("w") as file, subprocess.Popen(
        [sys.executable, "-m", *command], cwd=clone, env=environment(), stdout=file, stderr=file, start_new_session=True
    ) as server:  # fmt: skip
        while not (found := re.search(r"(http://127\.0\.0\.1:\d+)/lab\?token=(\w+)", log.read_text())):
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
        yield found[1], found[2]
        os.killpg(server.pid, signal.SIGTERM)


NAMES = [
    pytest.param(path.stem, marks=[] if path.stem == QUICK else pytest.mark.browser)
    for path in sorted(NOTEBOOKS.glob("*.ipynb"))
]


@pytest.mark.parametrize("name", NAMES)
def test_run_all(page, lab, name):
    address, token = lab
    page.goto(f"{address}/lab/tree/notebooks/{name}.ipynb?token={token}&reset")
    page.locator(".jp-Notebook").wait_for(timeout=60_000)
    page.wait_for_function(f"({STATE})().status === 'idle'", timeout=120_000)
    assert page.locator(".jp-Dialog").count() == 0  # nothing asks: no kernel to choose, no news, no update
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    end = time.monotonic() + PATIENCE_S
    while (state := page.evaluate(STATE))["run"] < state["cells"] and not state["errors"]:
        assert time.monotonic() < end, state
        page.wait_for_timeout(500)
    assert state["errors"] == []
    assert state["kernel"] == "python3"
    assert page.locator(".jp-Dialog").count() == 0
    assert [text for text in state["warnings"] if text.strip() and not PROGRESS.search(text)] == []
