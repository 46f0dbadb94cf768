"""Committed and fresh metrics side by side: the same bits, within the declared tolerance, or different."""

from dataclasses import dataclass


SAME, WITHIN, DIFFERENT = range(3)
WORDS = ("same bits", "within tolerance", "DIFFERENT")


@dataclass
class Row:
    """One metric: where it is, the committed and the fresh value, what may lie between them, and the outcome."""

    name: str
    committed: object
    fresh: object
    tolerance: float
    status: int


def leaves(tree: dict, path: str = "") -> dict[str, dict]:
    """Every metric of a nested metrics file by its dotted name; a plain value counts as one without tolerance."""
    if not isinstance(tree, dict):
        return {path: {"value": tree, "tolerance": 0.0}}
    if "value" in tree:
        return {path: tree}
    return {name: leaf for key, value in tree.items() for name, leaf in leaves(value, f"{path}.{key}").items()}


def compare(committed: dict, fresh: dict, source: str) -> list[Row]:
    """Rows for two metrics files; a metric that only one of them has is different."""
    old, new = leaves(committed), leaves(fresh)
    rows = []
    for name in sorted(old | new):
        a, b = old.get(name), new.get(name)
        if a is None or b is None:
            rows.append(Row(source + name, a and a["value"], b and b["value"], 0.0, DIFFERENT))
            continue
        tolerance = a.get("tolerance", 0.0)
        near = all(close(a.get(key), b.get(key), tolerance) for key in ("value", "low", "high"))
        alike = near and all(a.get(key) == b.get(key) for key in ("n", "unit"))
        status = SAME if a == b else WITHIN if alike else DIFFERENT
        rows.append(Row(source + name, a["value"], b["value"], tolerance, status))
    return rows


def close(x: object, y: object, tolerance: float) -> bool:
    """Equal, or two numbers at most `tolerance` apart."""
    numbers = isinstance(x, int | float) and isinstance(y, int | float)
    return abs(x - y) <= tolerance if numbers else x == y


def compare_file(name: str, committed: dict, fresh: dict) -> list[Row]:
    """Rows for one metrics file; none, and a line that says so, where its stage lacked outside data in this run."""
    if "not_run" in fresh and "not_run" not in committed:
        print(f"not run here      {name}: the outside reference data that it rests on are missing")
        return []
    return compare(committed, fresh, name)


def report(rows: list[Row]) -> int:
    """Print what is not the same bits, and a count of each outcome; give the worst."""
    for row in rows:
        if row.status != SAME:
            print(f"{WORDS[row.status]:17s} {row.name}: {row.committed} -> {row.fresh} (tolerance {row.tolerance:g})")
    for status, word in enumerate(WORDS):
        print(f"{sum(row.status == status for row in rows):6d} {word}")
    return max((row.status for row in rows), default=SAME)
