"""docs/scale.md: what it promises of workers and of SLURM's jobs, without a cluster."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support import dvc

from lib.paths import ROOT


SLURM = ROOT / "docs" / "slurm"
PAPER = YAML(typ="safe").load(ROOT / "profiles" / "paper.yaml")


@pytest.fixture
def cluster(tmp_path):
    """A folder with the paper profile, an environment to activate, and commands that note how they are called."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / "params.yaml").write_bytes((ROOT / "profiles/paper.yaml").read_bytes())
    (tmp_path / ".venv/bin/activate").write_text(f"PATH={tmp_path}/.venv/bin:{Path(sys.executable).parent}:$PATH\n")
    for name, does in (("srun", 'exec "$@"'), ("dvc", f'echo "$@" >> {tmp_path}/called')):
        command = tmp_path / ".venv/bin" / name
        command.write_text(f"#!/bin/sh\n{does}\n")
        command.chmod(0o755)
    return tmp_path


def submit(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", str(SLURM / script)], cwd=folder, env=os.environ | variables, capture_output=True, text=True
    )


def test_the_array_takes_every_encoder_once(cluster):
    last = int(re.search(r"--array=0-(\d+)", (ROOT / "docs/scale.md").read_text())[1])
    assert last + 1 == len(PAPER["pretrain"])
    for i in range(last + 1):
        assert submit("pretrain.sbatch", cluster, SLURM_ARRAY_TASK_ID=str(i)).returncode == 0
    taken = (cluster / "called").read_text().splitlines()
    assert taken == [f"--wait-for-lock repro pretrain@{name}" for name in PAPER["pretrain"]]


def test_a_task_beyond_the_last_encoder_fails(cluster):
    assert submit("pretrain.sbatch", cluster, SLURM_ARRAY_TASK_ID="99").returncode != 0
    assert not (cluster / "called").exists()


def test_the_second_job_runs_the_rest(cluster):
    assert submit("rest.sbatch", cluster).returncode == 0
    assert (cluster / "called").read_text() == "repro\n"


@pytest.mark.parametrize("script", sorted(SLURM.glob("*.sbatch")), ids=lambda p: p.name)
def test_directives_stand_where_slurm_reads_them(script):
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/bin/bash"
    count = sum(line.startswith("#SBATCH ") for line in lines)
    assert all(re.match(r"#SBATCH --[a-z-]+=\S+$", line) for line in lines[1 : count + 1])
    assert count >= 5


def test_workers_wait_for_each_other(clone):
    with ThreadPoolExecutor(2) as workers:
        said = list(workers.map(lambda _: dvc(clone, "--wait-for-lock", "repro", "kinetics@ala2"), range(2)))
    assert all("kinetics@ala2' didn't change" in each for each in said)
