"""pip and conda users get the same pinned packages."""

import re
import tomllib

import pytest
from ruamel.yaml import YAML

from lib.paths import ROOT


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDA = YAML(typ="safe").load(ROOT / "environment.yml")
PIP = next(d["pip"] for d in CONDA["dependencies"] if isinstance(d, dict))
SPECS = [d for d in CONDA["dependencies"] if isinstance(d, str)]


def test_requirements_are_pinned_and_cover_the_project():
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text(), re.M))
    names = {name.lower().replace("_", "-") for name in pins}
    wanted = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    assert {re.split(r"[\[<>=]", name)[0].lower() for name in wanted} <= names


def test_conda_and_pip_users_get_the_same_packages():
    assert PIP == ["-r requirements.lock", "-e ."]


def test_conda_understands_every_package():
    rattler = pytest.importorskip("rattler", reason="py-rattler is not installed; CI installs it")
    found = {str(spec.name.normalized): spec for spec in (rattler.MatchSpec(text, strict=True) for text in SPECS)}
    assert {"python", "pip"} <= found.keys()  # conda warns about a pip block without pip
    assert found["python"].version == "3.11.*"
    with pytest.raises(Exception, match="unable to parse"):
        rattler.MatchSpec("python>=3.11,<", strict=True)


def test_conda_makes_the_interpreter_that_the_project_wants():
    wanted = PROJECT["project"]["requires-python"]
    rattler = pytest.importorskip("rattler", reason="py-rattler is not installed; CI installs it")
    assert rattler.VersionSpec(wanted).matches(rattler.Version("3.11.9")), wanted
