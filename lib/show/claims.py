"""The papers' claims and the rules to judge them by, read from claims.yaml and checked.

python -m lib.show.claims              prints the verdicts
python -m lib.show.claims README.md    also rewrites the table between the markers in README.md
"""

from dataclasses import MISSING, dataclass, fields
from numbers import Real
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from lib.paths import ROOT


PAPERS = {
    "P1": ("2410.21683", "Pushing the Limits of All-Atom Geometric Graph Neural Networks (ICLR 2025)"),
    "P2": ("2409.19838", "geom2vec: pretrained GNNs as geometric featurizers (J. Chem. Phys. 2025)"),
    "P3": ("2512.06520", "Hierarchical geometric deep learning for molecular dynamics (2025)"),
}
NOT_FOUND = "not found"
RULES = {  # fields of each kind of rule
    "at_least": {"value", "unit"},
    "at_most": {"value", "unit"},
    "within": {"value", "tolerance", "unit"},
    "greater": {"than"},
    "less": {"than"},
    "positive": set(),
    "negative": set(),
}


@dataclass(frozen=True)
class Claim:
    """One entry of claims.yaml; the head of that file says what each field means."""

    id: str
    paper: str
    source: str
    statement: str
    value: float | str
    unit: str
    notebook: str
    stage: str | None
    metric: str | None
    rule: dict | None
    note: str
    question: str = ""


def load(path: Path = ROOT / "claims.yaml") -> list[Claim]:
    """All claims, in the order of the file; raises ValueError for the first entry that is not as its head says."""
    try:
        entries = YAML(typ="safe").load(Path(path))
    except YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path} holds {type(entries).__name__}, expected a list of claims")
    expected, seen, claims = {field.name: field.default is MISSING for field in fields(Claim)}, set(), []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise ValueError(f"{path}: entry {number} is {entry!r}, expected the fields {list(expected)}")
        where = f"{path}: claim {entry.get('id', f'number {number}')!r}"
        if unknown := [key for key in entry if key not in expected]:
            raise ValueError(f"{where} has unknown fields {unknown}; a claim has {list(expected)}")
        if missing := [key for key, needed in expected.items() if needed and key not in entry]:
            raise ValueError(f"{where} lacks the fields {missing}")
        if entry["id"] in seen:
            raise ValueError(f"{where} appears twice; ids must be unique")
        seen.add(entry["id"])
        claims.append(Claim(**entry))
        check(claims[-1], where)
    return claims


def check(claim: Claim, where: str) -> None:
    """Raise ValueError, with `where` in it, for a field of the wrong kind or fields that contradict each other."""
    for name in ("id", "source", "statement", "notebook"):
        if not isinstance(text := getattr(claim, name), str) or not text.strip():
            raise ValueError(f"{where}: {name} is {text!r}, expected some text")
    for name in ("unit", "note", "question"):
        if not isinstance(text := getattr(claim, name), str):
            raise ValueError(f"{where}: {name} is {text!r}, expected text, which may be empty")
    if claim.paper not in PAPERS:
        raise ValueError(f"{where}: paper is {claim.paper!r}, expected one of {list(PAPERS)}")
    if not is_number(claim.value) and not (isinstance(claim.value, str) and claim.value.strip()):
        raise ValueError(f"{where}: value is {claim.value!r}, expected a number, a range in words or {NOT_FOUND!r}")
    if (claim.stage is None) != (claim.metric is None):
        raise ValueError(f"{where}: stage is {claim.stage!r} but metric is {claim.metric!r}; both are null or neither")
    if claim.metric is not None:
        split(claim.metric, where)
        if not claim.metric.startswith(f"{claim.stage}/"):
            raise ValueError(f"{where}: metric {claim.metric!r} is not of stage {claim.stage!r}")
        if claim.rule is None:
            raise ValueError(f"{where} has a metric but no rule to judge it by")
    if claim.rule is not None:
        check_rule(claim, where)


def check_rule(claim: Claim, where: str) -> None:
    """Raise ValueError, with `where` in it, unless the rule is well formed and fits what is known of the paper."""
    rule = claim.rule
    if not isinstance(rule, dict) or rule.get("kind") not in RULES:
        raise ValueError(f"{where}: rule is {rule!r}, expected a mapping whose kind is one of {list(RULES)}")
    if set(rule) != RULES[rule["kind"]] | {"kind"}:
        needed = sorted(RULES[rule["kind"]])
        raise ValueError(f"{where}: a rule {rule['kind']!r} needs {needed}, got {sorted(set(rule) - {'kind'})}")
    for name in ("value", "tolerance"):
        if name in rule and not is_number(rule[name]):
            raise ValueError(f"{where}: {name} of the rule is {rule[name]!r}, expected a number")
    if "value" in rule and claim.value == NOT_FOUND:
        raise ValueError(f"{where}: the paper's value is not found, so the rule can test a sign or a trend only")
    if rule.get("unit", claim.unit) != claim.unit:
        raise ValueError(f"{where}: the rule is in {rule['unit']!r}, the paper's value in {claim.unit!r}")
    if "than" in rule and not is_number(rule["than"]):
        split(rule["than"], where)


def is_number(value) -> bool:
    """Whether a YAML value is a number; true and false are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def split(metric: str, where: str) -> tuple[str, list[str]]:
    """File and keys of `stage/run.json:key.key`."""
    file, _, keys = metric.partition(":") if isinstance(metric, str) else ("", "", "")
    if not file.endswith(".json") or not all(keys.split(".")):
        raise ValueError(f"{where}: metric is {metric!r}, expected <stage>/<run>.json:<key>.<key>")
    return file, keys.split(".")


if __name__ == "__main__":
    from lib.show.tables import main  # tables needs this module: imported here, not above

    main()
