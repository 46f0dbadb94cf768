"""A process forked with its libraries loaded is like one that has started."""

import subprocess
import sys

import nbformat
import pytest


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no pidfd: nothing is loaded beforehand here")

PLOT = """
import sys
import matplotlib.pyplot as plt

plt.plot([0, 1])
print(__name__, "torch" in sys.modules)
"""


@pytest.fixture
def call(preloaded_python, tmp_path):
    return lambda *arguments: subprocess.run(
        [preloaded_python, *arguments], cwd=tmp_path, capture_output=True, text=True
    )


def test_a_kernel_shows_its_figures(call, tmp_path):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PLOT)])
    nbformat.write(book, tmp_path / "in.ipynb")
    done = call("-m", "papermill", "--kernel", "python3", "in.ipynb", "out.ipynb")
    assert done.returncode == 0, done.stderr
    told, figure = nbformat.read(tmp_path / "out.ipynb", 4).cells[0].outputs[-2:]
    assert told.text == "__main__ True\n"
    assert "image/png" in figure.data


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        ("", 0, ""),
        ("raise SystemExit(3)", 3, ""),
        ("1 / 0", 1, "ZeroDiv"),
        ("raise SystemExit('no')", 1, "no"),
    ],
)
def test_its_end_is_told(call, tmp_path, end, status, said):
    module = tmp_path / "lib" / "notebook.py"
    module.parent.mkdir()
    module.write_text(f"import sys\nprint(sys.argv[1:], flush=True)\n{end}")
    done = call("-m", "lib.notebook", "a", "b c")
    assert done.returncode == status
    assert said in done.stderr
    assert done.stdout == "['a', 'b c']\n"


def test_anything_else_starts_as_ever(call):
    assert call("-c", "import sys; print('torch' in sys.modules, sys.executable)").stdout == f"False {sys.executable}\n"
