"""The lists of imported files that the runs depend on."""

import hashlib
import subprocess
import sys

import pytest

from lib import closure
from lib.paths import NOTEBOOKS, ROOT


def names(paths):
    return {str(path.relative_to(ROOT)) for path in paths}


def test_an_import_brings_the_packages_above_it_and_what_it_imports_itself():
    found = names(closure.closure("def later():\n    from lib.dynamics.groups import Groups"))
    assert {"lib/__init__.py", "lib/dynamics/__init__.py", "lib/dynamics/groups.py"} <= found
    assert "lib/dynamics/vamp.py" in found  # through groups
    assert "lib/notebook.py" not in found


def test_an_encoder_counts_where_one_is_loaded_by_name():
    loads = "from lib.models import load_encoder"
    plain, with_one = names(closure.closure(loads)), names(closure.closure(loads, {"visnet"}))
    assert with_one - plain >= {"lib/models/visnet.py", "lib/models/visnet_kernels.py"}
    assert closure.closure("import lib.paths", {"visnet"}) == closure.closure("import lib.paths")


def test_what_python_loads_is_in_the_list():
    """Brute force: a fresh interpreter imports a module, and says which files of lib/ it has loaded."""
    source = "import lib.dynamics.crossvalidation"
    ask = f"{source}; import sys; print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'lib'))"
    loaded = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(loaded.split()) <= {str(path) for path in closure.closure(source)}


@pytest.mark.parametrize("notebook", ["20_kinetics", "25_symmetry"])
def test_a_notebook_that_names_an_encoder_depends_on_it(notebook):
    found = names(closure.of_notebook(NOTEBOOKS / f"{notebook}.ipynb"))
    assert ("lib/models/tensornet.py" in found) == (notebook == "25_symmetry")


def test_each_list_has_the_checksums_of_its_files(tmp_path, monkeypatch):
    (tmp_path / "build").mkdir()
    notebook = NOTEBOOKS / "27_estimators.ipynb"
    (tmp_path / "build" / notebook.name).write_bytes(notebook.read_bytes())
    monkeypatch.setattr(closure, "BUILD", tmp_path / "build")
    monkeypatch.setattr(closure, "ARTIFACTS", tmp_path)
    (tmp_path / "closure").mkdir()
    (tmp_path / "closure" / "gone.md5").write_text("")
    closure.main()
    made = {path.stem for path in (tmp_path / "closure").iterdir()}
    assert made == {"27_estimators", *closure.architectures()}
    for path in (tmp_path / "closure").iterdir():
        for digest, name in map(str.split, path.read_text().splitlines()):
            assert digest == hashlib.md5((ROOT / name).read_bytes()).hexdigest()
