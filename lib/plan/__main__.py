"""What a profile needs: its sets, disk, memory, access to the hosts, and hours at the rate measured on this machine.

`make plan NAME=paper` or `python -m lib.plan paper`; exit status 1 if something would stop it. Nothing is fetched.
"""

import argparse
import sys

from ruamel.yaml import YAML

from lib.paths import ROOT
from lib.plan.hours import table
from lib.plan.needs import findings


def main(words: list[str] | None = None) -> int:
    """Print findings and hours; 1 if something would stop the profile."""
    parser = argparse.ArgumentParser(prog="python -m lib.plan", description=__doc__.splitlines()[0])
    names = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))
    parser.add_argument("profile", choices=names)
    profile = YAML(typ="safe").load(ROOT / "profiles" / f"{parser.parse_args(words).profile}.yaml")
    wrong = 0
    for finding in findings(profile):
        print(finding, flush=True)
        wrong += bool(finding.mend) and not finding.warning
    print("\nPre-training, at the rate measured now on this machine:\n", *table(profile), sep="\n")
    print(f"\n{wrong} to mend first" if wrong else "\nready: `dvc repro`")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
