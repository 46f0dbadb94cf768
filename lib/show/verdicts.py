"""The verdict on each claim: computed from metrics/ by the rules that claims.yaml wrote down before the run."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from lib.paths import METRICS
from lib.show.claims import Claim, is_number, split


REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"
NOT_RUN, NOT_BUILT, NO_RULE = "not run at this scale", "not built", "nothing to judge"
JUDGED = (REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE)
VERDICTS = (*JUDGED, NOT_RUN, NOT_BUILT, NO_RULE)


@dataclass(frozen=True)
class Verdict:
    """A claim, one of VERDICTS, our number for it and the one its rule compares with (leaves of metrics files)."""

    claim: Claim
    verdict: str
    ours: dict | None = None
    other: dict | None = None


def read(metric: str, metrics: Path, where: str) -> dict | None:
    """The leaf at a metric path, None when its file is absent or says that this was not run.

    A file says so by "not_run": one leaf for all of it, or a leaf for each key that has no numbers. Raises ValueError
    when the file has no such key.
    """
    file, keys = split(metric, where)
    path = Path(metrics) / file
    if not path.is_file():
        return None
    leaf = json.loads(path.read_text(encoding="utf-8"))
    missing = leaf.get("not_run", {})
    if "value" in missing or keys[0] in missing:
        return None
    for key in keys:
        if not isinstance(leaf, dict) or key not in leaf:
            has = sorted(leaf) if isinstance(leaf, dict) else repr(leaf)
            raise ValueError(f"{where}: metric {metric!r} is unknown: no {key!r} in {path.name}, which has {has} there")
        leaf = leaf[key]
    if not isinstance(leaf, dict) or "value" not in leaf:
        raise ValueError(f"{where}: metric {metric!r} is a branch with {sorted(leaf)}, expected one number")
    return leaf


def judge(rule: dict, ours: dict, other: dict | None = None) -> str:
    """REPRODUCED if the rule holds on the whole interval, NOT_REPRODUCED if nowhere on it, else INCONCLUSIVE.

    ours: value, low, high. other: the metric that rule["than"] names. Without an interval (one run) nothing can be
    excluded: INCONCLUSIVE. Two intervals are compared as independent ones: to be greater, all of ours must lie above
    all of the other.
    """
    kind, low, high = rule["kind"], ours["low"], ours["high"]
    if low is None or high is None:
        return INCONCLUSIVE
    if kind in ("greater", "less"):
        than = rule["than"]
        below, above = (than, than) if is_number(than) else (other["low"], other["high"])
        if below is None or above is None:
            return INCONCLUSIVE
        holds, fails = (low > above, high <= below) if kind == "greater" else (high < below, low >= above)
    elif kind == "positive":
        holds, fails = low > 0, high <= 0
    elif kind == "negative":
        holds, fails = high < 0, low >= 0
    elif kind == "at_least":
        holds, fails = low >= rule["value"], high < rule["value"]
    elif kind == "at_most":
        holds, fails = high <= rule["value"], low > rule["value"]
    else:
        bottom, top = rule["value"] - rule["tolerance"], rule["value"] + rule["tolerance"]
        holds, fails = bottom <= low and high <= top, high < bottom or low > top
    return REPRODUCED if holds else NOT_REPRODUCED if fails else INCONCLUSIVE


def verdicts(claims: list[Claim], metrics: Path = METRICS) -> list[Verdict]:
    """The verdict on every claim, in the same order; raises ValueError for unknown metrics and for unlike units."""
    return [verdict(claim, metrics) for claim in claims]


def verdict(claim: Claim, metrics: Path) -> Verdict:
    """The verdict on one claim from the files below `metrics`."""
    if claim.metric is None:
        return Verdict(claim, NOT_BUILT if claim.rule else NO_RULE)
    where, than = f"claim {claim.id!r}", claim.rule.get("than")
    ours = read(claim.metric, metrics, where)
    other = read(than, metrics, where) if isinstance(than, str) else None
    if ours is None or (isinstance(than, str) and other is None):
        return Verdict(claim, NOT_RUN)
    unit = other["unit"] if other else claim.rule.get("unit", ours["unit"])
    if ours["unit"] != unit:
        raise ValueError(f"{where}: metric {claim.metric!r} is in {ours['unit']!r}, its rule in {unit!r}")
    return Verdict(claim, judge(claim.rule, ours, other), ours, other)


def counts(records: list[Verdict]) -> dict[str, int]:
    """How many claims have each verdict, in the order of VERDICTS."""
    return {name: sum(record.verdict == name for record in records) for name in VERDICTS}


def write(records: list[Verdict], path: Path = METRICS / "claims.json") -> None:
    """Write {"counts": ..., id: {"verdict": ..., "ours": leaf}} as sorted JSON, atomically."""
    tree = {
        record.claim.id: {"verdict": record.verdict} | ({"ours": record.ours} if record.ours else {})
        for record in records
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    tree = {"counts": counts(records)} | tree
    partial.write_text(json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")
    os.replace(partial, path)
