import nbformat
import pytest

from lib.notebook import main, merged, parameters, run, strip


def notebook(*cells, tags=()):
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "private310", "display_name": "mine", "language": "python"}}
    )
    for i, source in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]} if i == 0 else {"collapsed": True})
        made.cells.append(cell)
    return made


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lib.spent.NOTES", tmp_path / "spent")
    (tmp_path / "params.yaml").write_text("task:\n  one:\n    rate: 1e-3\n    on: true\n")
    return tmp_path


DECLARED = 'run = "x"  # name\nfolder = "y"  # place\nrate = 1.0  # per step\non = False  # flag'


def write(path, *cells):
    nbformat.write(notebook(*cells), path)
    return path


def test_strip_removes_outputs_and_private_kernels_and_is_idempotent(tmp_path):
    source = notebook(DECLARED, "1 + 1")
    source.cells[1].outputs = [nbformat.v4.new_output("stream", text="2")]
    source.cells[1].execution_count = 7
    nbformat.write(source, tmp_path / "a.ipynb")
    strip(tmp_path / "a.ipynb", tmp_path / "b.ipynb")
    once = (tmp_path / "b.ipynb").read_bytes()
    stripped = nbformat.read(tmp_path / "b.ipynb", 4)
    assert stripped.metadata.kernelspec.name == "python3"
    assert [c.id for c in stripped.cells] == ["000", "001"]
    assert stripped.cells[1].outputs == []
    assert stripped.cells[0].metadata == {"tags": ["parameters"]}
    strip(tmp_path / "b.ipynb", tmp_path / "b.ipynb")
    assert (tmp_path / "b.ipynb").read_bytes() == once


def test_two_runs_leave_the_same_bytes_and_html(place):
    write(
        place / "n.ipynb", DECLARED, "print(object())\nprint(rate, on)", "import matplotlib.pyplot as p\np.plot([rate])"
    )
    for folder in ("one", "two"):
        run(place / "n.ipynb", place / folder / "n.ipynb", "task.one")
    for name in ("n.ipynb", "n.html"):
        assert (place / "one" / name).read_bytes() == (place / "two" / name).read_bytes()
    text = (place / "one" / "n.ipynb").read_text()
    assert "0.001 True" in text  # YAML 1.2: 1e-3 is a number
    assert "object at 0x…" in text


def test_prints_are_one_output_however_the_kernel_cuts_them():
    pieces = [nbformat.v4.new_output("stream", name=name, text=text) for name, text in ("oa", "ob", "ec", "od")]
    assert [(o.name, o["text"]) for o in merged(pieces)] == [("o", "ab"), ("e", "c"), ("o", "d")]


def test_parameters_carry_the_name_of_the_run(place):
    assert parameters(place / "params.yaml", "task.one") == {
        "run": "one",
        "folder": ".",
        "rate": 0.001,
        "on": True,
    }


def test_unknown_parameter_is_refused_by_name(place):
    write(place / "n.ipynb", DECLARED.replace("on = False  # flag", ""), "1")
    with pytest.raises(SystemExit, match=r"gives \['on'\], which .* does not declare"):
        run(place / "n.ipynb", place / "out.ipynb", "task.one")
    assert not (place / "out.ipynb").exists()


def test_missing_parameter_is_refused_by_name(place):
    write(place / "n.ipynb", DECLARED + "\nseed = 0", "1")
    with pytest.raises(SystemExit, match=r"lacks \['seed'\]"):
        run(place / "n.ipynb", place / "out.ipynb", "task.one")


def test_failing_cell_leaves_no_finished_notebook(place):
    write(place / "n.ipynb", DECLARED, "raise ValueError('no such atom')")
    with pytest.raises(SystemExit, match="no such atom"):
        main(["run", str(place / "n.ipynb"), str(place / "out.ipynb"), "task.one"])
    assert not (place / "out.ipynb").exists()


def test_unknown_key_says_which_part_is_missing(place):
    with pytest.raises(SystemExit, match="'two' is missing"):
        parameters(place / "params.yaml", "task.two")
