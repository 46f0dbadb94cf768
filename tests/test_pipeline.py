"""dvc.yaml, params.yaml, the profiles and the notebooks agree with each other."""

import ast
import re
import shutil

import nbformat
import pytest
from ruamel.yaml import YAML
from support import dvc

from lib import closure
from lib.data.sources import public_sets
from lib.data.sources.__main__ import other_sets
from lib.make.__main__ import notebook_of
from lib.notebook import strip
from lib.paths import NOTEBOOKS, ROOT


def read(name):
    return YAML(typ="safe").load(ROOT / name)


STAGES = read("dvc.yaml")["stages"]
PARAMS = read("params.yaml")
PROFILES = sorted(p.stem for p in (ROOT / "profiles").glob("*.yaml"))
SOURCES = sorted(NOTEBOOKS.glob("*.ipynb"))
NOTEBOOK_OF = {  # section of params.yaml -> notebooks that take its entries
    name: re.search(r"run build/(\w+)\.ipynb", stage["do"]["cmd"])[1]
    for name, stage in STAGES.items()
    if "do" in stage and "lib.notebook run" in stage["do"]["cmd"]
}


def parameters_cell(path):
    return [c for c in nbformat.read(path, 4).cells if "parameters" in c.metadata.get("tags", [])]


def declared(path):
    """Names and literal values of a parameters cell; ast refuses anything that is not a literal."""
    tree = ast.parse(parameters_cell(path)[0].source)
    assert all(isinstance(node, ast.Assign) for node in tree.body)
    return {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
class TestNotebook:
    def test_is_stored_stripped(self, path, tmp_path):
        strip(path, tmp_path / "n.ipynb")
        assert path.read_bytes() == (tmp_path / "n.ipynb").read_bytes(), "run `python -m lib.notebook strip` on it"

    def test_has_one_parameters_cell_with_explained_literals(self, path):
        (cell,) = parameters_cell(path)
        assert next(iter(declared(path))) == "run"
        for line in cell.source.splitlines():
            assert re.search(r"  # \S", line), f"no unit or meaning beside: {line}"

    def test_cells_are_short(self, path):
        for cell in nbformat.read(path, 4).cells:
            tagged = "parameters" in cell.metadata.get("tags", [])
            assert cell.cell_type != "code" or tagged or len(cell.source.splitlines()) <= 25, cell.source[:80]

    def test_nothing_is_drawn_from_unseeded_random_numbers(self, path):
        """seaborn's default error bars are a bootstrap, and its strips are jittered: both without a seed."""
        drawn = {"lineplot": None, "barplot": None, "pointplot": None, "relplot": "line", "catplot": "bar"}
        for cell in nbformat.read(path, 4).cells:
            for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else ():
                name = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
                given = {k.arg: getattr(k.value, "value", None) for k in getattr(node, "keywords", ())}
                if name in drawn and drawn[name] in (None, given.get("kind")):
                    assert "errorbar" in given, f"{name} without errorbar: {cell.source[:80]}"
                if name == "stripplot":
                    assert given.get("jitter") is False, f"{name} with jitter: {cell.source[:80]}"

    def test_opens_with_a_title(self, path):
        assert nbformat.read(path, 4).cells[0].source.startswith("# ")


def test_profiles_have_the_same_keys():
    keys = {name: {section: set(runs) for section, runs in read(f"profiles/{name}.yaml").items()} for name in PROFILES}
    assert set(keys) == {"smoke", "demo", "paper"}
    fetched = {name: sections.pop("fetch") for name, sections in keys.items()}
    assert keys["smoke"] == keys["demo"] == keys["paper"]
    assert fetched["smoke"] == fetched["demo"] == set()  # no network


@pytest.mark.parametrize("profile", PROFILES)
def test_every_public_set_that_a_run_reads_is_fetched(profile):
    sections = read(f"profiles/{profile}.yaml")
    read_here = {run["data"] for runs in sections.values() for run in runs.values() if "data" in run}
    public = {name.removeprefix("data-public/") for name in read_here if name.startswith("data-public/")}
    assert set(sections["fetch"]) == public <= public_sets().keys() | other_sets().keys()


def test_the_demo_profile_is_in_force():
    assert read("profiles/demo.yaml") == PARAMS


@pytest.mark.parametrize("profile", PROFILES)
def test_every_run_gives_exactly_what_its_notebook_declares(profile):
    for section, runs in read(f"profiles/{profile}.yaml").items():
        if section == "fetch":
            assert not any(runs.values())  # names alone
            continue
        for name, given in runs.items():
            notebook = NOTEBOOK_OF.get(section) or notebook_of(given)
            expected = set(declared(NOTEBOOKS / f"{notebook}.ipynb"))
            assert set(given) | {"run", "folder"} == expected, f"{profile}: {section}.{name}"


@pytest.mark.parametrize("stage", NOTEBOOK_OF)
def test_every_run_depends_on_what_its_notebook_imports(stage):
    """And, where it loads encoders, on the imports of every architecture that is pre-trained."""
    deps = STAGES[stage]["do"]["deps"]
    expected = {NOTEBOOK_OF[stage]}
    if closure.LOADER in closure.of_notebook(NOTEBOOKS / f"{NOTEBOOK_OF[stage]}.ipynb"):
        expected |= {run["architecture"] for run in PARAMS["pretrain"].values()}
    listed = [dep.replace("${item.architecture}", name) for dep in deps for name in expected]
    assert {f"artifacts/closure/{name}.md5" for name in expected} == {d for d in listed if "closure" in d}
    assert not [dep for dep in deps if dep.endswith(".py")], "files of lib/ are found by the stage closure"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("stage", ["transfer", "neighbours", "kinetics", "mixers", "studies", "alignment", "reach"])
def test_deps_cover_the_checkpoints_and_systems_of_every_run(profile, stage):
    for key, run in read(f"profiles/{profile}.yaml")[stage].items():
        deps = {dep.replace("${key}", key) for dep in STAGES[stage]["do"]["deps"]}
        encoders = run.get("encoders") or [run["encoder"]]
        assert {f"artifacts/checkpoints/{name}" for name in encoders} == {d for d in deps if "checkpoints" in d}
        assert {f"data/{name}" for name in run.get("systems", [run.get("system")])} <= deps


@pytest.mark.parametrize("stage", NOTEBOOK_OF)
def test_nothing_depends_on_an_executed_notebook(stage):
    assert not [d for d in STAGES[stage]["do"]["deps"] if d.startswith("executed/")]


def test_every_section_of_the_parameters_has_a_stage():
    assert set(PARAMS) - {"data", "fetch"} == set(NOTEBOOK_OF)
    assert set(STAGES["strip"]["foreach"]) == set(NOTEBOOK_OF.values())


def test_the_lock_has_no_stale_stage():
    expanded = {f"strip@{item}" for item in STAGES["strip"]["foreach"]} | {"closure"}
    expanded |= {f"{stage}@{run}" for stage in NOTEBOOK_OF for run in PARAMS[stage]}
    assert set(read("dvc.lock")["stages"]) == expanded


def test_nothing_would_run():
    """The gate must read the text: with data present, a stale pipeline exits with 0 as well."""
    assert "Running" not in dvc(ROOT, "repro", "--dry", "--allow-missing")


def test_the_paper_profile_fetches_before_it_trains(own):
    shutil.copy(own / "profiles" / "paper.yaml", own / "params.yaml")
    said = dvc(own, "repro", "--dry", "pretrain@equilibrium", check=False)
    assert "> python -m lib.data.sources pcqm4mv2" in said


def test_no_output_lies_under_data():
    for stage in (entry.get("do", entry) for entry in STAGES.values()):
        outs = stage.get("outs", []) + stage.get("metrics", []) + stage.get("plots", [])
        names = [next(iter(out)) if isinstance(out, dict) else out for out in outs]
        assert not [name for name in names if name.startswith("data/")]
