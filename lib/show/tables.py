"""The verdicts as a table in a terminal and in README.md."""

import argparse
import os
import textwrap
from pathlib import Path

from lib.show.claims import NOT_FOUND, Claim, is_number, load
from lib.show.verdicts import (
    INCONCLUSIVE,
    JUDGED,
    NO_RULE,
    NOT_BUILT,
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    Verdict,
    counts,
    verdicts,
)


BEGIN, END = "<!-- claims:begin -->", "<!-- claims:end -->"
MARK = {
    REPRODUCED: "✔",
    NOT_REPRODUCED: "✘",
    INCONCLUSIVE: "~",
    NOT_RUN: "–",
    NOT_BUILT: "○",
    NO_RULE: "·",
}


def in_words(rule: dict) -> str:
    """A rule as a reader would say it."""
    unit = f" {rule['unit']}" if rule.get("unit") else ""
    if rule["kind"] == "within":
        return f"within {digits(rule['tolerance'])} of {digits(rule['value'])}{unit}"
    if "than" in rule:
        than = rule["than"]
        return f"{rule['kind']} than {digits(than) if is_number(than) else than.partition(':')[2]}"
    return rule["kind"].replace("_", " ") + (f" {digits(rule['value'])}{unit}" if "value" in rule else "")


def why(record: Verdict) -> str:
    """What a verdict rests on, in words."""
    claim = record.claim
    if record.verdict == NO_RULE:
        return "no rule: see the note"
    if record.verdict == NOT_BUILT:
        return f"rule: {in_words(claim.rule)}"
    if record.verdict == NOT_RUN:
        return f"no metrics/{claim.metric.partition(':')[0]} in this profile"
    if any(leaf and (leaf["low"] is None or leaf["high"] is None) for leaf in (record.ours, record.other)):
        return "no interval: one run, or no finite value"
    return f"rule: {in_words(claim.rule)}" + (f", which is {number(record.other)}" if record.other else "")


def digits(value: float | None) -> str:
    """A number with four significant digits, or a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def interval(leaf: dict) -> str:
    """`10.1 to 14.5`, or nothing where there is no interval."""
    return "" if leaf["low"] is None else f"{digits(leaf['low'])} to {digits(leaf['high'])}"


def number(leaf: dict | None) -> str:
    """`12.3 % (10.1 to 14.5), n = 5` for a metric, a dash for none."""
    if leaf is None:
        return "–"
    unit = f" {leaf['unit']}" if leaf["unit"] else ""
    spread = "" if leaf["low"] is None else f" ({interval(leaf)}), n = {leaf['n']}"
    return f"{digits(leaf['value'])}{unit}{spread}"


def papers_value(claim: Claim) -> str:
    """The paper's value with its unit, or `not found (trend)` when only a sign or trend can be judged."""
    if claim.value == NOT_FOUND:
        return NOT_FOUND if claim.rule is None else f"{NOT_FOUND} (trend)"
    text = digits(claim.value) if is_number(claim.value) else claim.value
    return f"{text} {claim.unit}".strip()


def summary(records: list[Verdict]) -> str:
    """`66 claims: 3 reproduced, 1 not reproduced, ...`, verdicts with no claim left out."""
    parts = [f"{n} {name}" for name, n in counts(records).items() if n]
    return f"{len(records)} claims: {', '.join(parts)}"


def markdown(records: list[Verdict]) -> str:
    """The first questions of a reader; then, folded away, every judged claim, and the others with their notebook."""
    judged = [r for r in records if r.verdict in JUDGED]
    others = [r for r in records if r.verdict not in JUDGED]
    lines = [summary(records) + ".", ""]
    if asked := [r for r in judged if r.claim.question]:
        lines += ["| question | paper | ours, 95 % interval | so the claim is |", "|---|---|---|---|"]
        for record in asked:
            lines.append(
                f"| {cell(record.claim.question)} | {cell(papers_value(record.claim))} "
                f"| {cell(number(record.ours))} | {MARK[record.verdict]} {record.verdict} ({record.claim.id}) |"
            )
    if judged:
        lines += ["", "<details>", f"<summary>All {len(judged)} claims with a verdict</summary>", ""]
        lines += ["| claim | paper | ours, 95 % interval | verdict | notebook |", "|---|---|---|---|---|"]
    for record in judged:
        claim = record.claim
        lines.append(
            f"| **{claim.id}** {cell(claim.statement)} | {cell(papers_value(claim))} "
            f"| {cell(number(record.ours))} | {MARK[record.verdict]} {record.verdict} "
            f"| [{claim.notebook}](notebooks/{claim.notebook}.ipynb) |"
        )
    if judged:
        lines += ["", "</details>"]
    if others:
        lines += ["", "<details>", f"<summary>The {len(others)} claims without a verdict</summary>", ""]
        lines += ["| claim | paper | status | notebook |", "|---|---|---|---|"]
        for record in others:
            claim = record.claim
            lines.append(
                f"| **{claim.id}** {cell(claim.statement)} | {cell(papers_value(claim))} "
                f"| {MARK[record.verdict]} {record.verdict} | {claim.notebook} |"
            )
        lines += ["", "</details>"]
    return "\n".join(lines)


def cell(text: str) -> str:
    """Text that cannot break a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def terminal(records: list[Verdict], width: int = 100) -> str:
    """Judged claims, two lines or more each, then a count of the rest."""
    lines = []
    for record in records:
        if record.verdict in JUDGED:
            claim = record.claim
            lines.append(f"{MARK[record.verdict]} {record.verdict:<15} {claim.id}")
            lines += textwrap.wrap(claim.statement, width, initial_indent=" " * 4, subsequent_indent=" " * 4)
            lines.append(f"    paper {papers_value(claim)} | ours {number(record.ours)} | {why(record)}")
    return "\n".join([*lines, summary(records)])


def rewritten(readme: str, records: list[Verdict], source: str = "README.md") -> str:
    """The text with a fresh table between its markers; raises ValueError unless it has both, once, in order."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1 or readme.index(BEGIN) > readme.index(END):
        raise ValueError(f"{source} needs one line {BEGIN} and below it one line {END}, between which the table goes")
    head, _, rest = readme.partition(BEGIN)
    return f"{head}{BEGIN}\n{markdown(records)}\n{END}{rest.partition(END)[2]}"


def main(arguments: list[str] | None = None) -> None:
    """Print the verdicts; with a file, rewrite its table first."""
    parser = argparse.ArgumentParser(
        prog="python -m lib.show.claims", description="The verdicts on the papers' claims."
    )
    parser.add_argument("readme", type=Path, nargs="?", help="a Markdown file whose table to rewrite")
    given = parser.parse_args(arguments)
    try:
        records = verdicts(load())
        if given.readme:
            text = rewritten(given.readme.read_text(encoding="utf-8"), records, str(given.readme))
            partial = given.readme.with_suffix(".tmp")
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, given.readme)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(str(error)) from None
    print(terminal(records))
