"""Ours beside the paper's, as a small picture for one row of the claims table: SVG in text, no script, no request."""

from html import escape

from lib.show.claims import is_number
from lib.show.tables import digits, number, papers_value
from lib.show.verdicts import Verdict


WIDTH, HEIGHT, MARGIN, AXIS = 176, 46, 12, 22  # of the picture, and where its axis lies, in pixels


def beside(record: Verdict) -> str:
    """The rule's region shaded, our value with its interval, the paper's value as a diamond; "" where ours is missing.

    The paper's value is drawn where it is one number in the unit of ours.
    """
    ours, claim = record.ours, record.claim
    if ours is None or ours["value"] is None:
        return ""
    papers = claim.value if is_number(claim.value) and claim.unit == ours["unit"] else None
    edges = rule_edges(claim.rule, record.other)
    marks = [ours["value"], ours["low"], ours["high"], papers, *edges]
    finite = [float(mark) for mark in marks if mark is not None and abs(mark) != float("inf")]
    low, high = min(finite), max(finite)
    room = (high - low) / 12 or max(abs(low), 1.0) / 10

    def x(value: float) -> float:
        inside = min(max(value, low - room), high + room)
        return round(MARGIN + (inside - low + room) / (high - low + 2 * room) * (WIDTH - 2 * MARGIN), 1)

    parts = [f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{AXIS}" y2="{AXIS}" class="axis"/>']
    if edges:
        left, right = x(edges[0]), x(edges[1])
        parts.insert(0, f'<rect x="{left}" width="{right - left:.1f}" y="{AXIS - 14}" height="28" class="holds"/>')
        parts += [label(x(edge), digits(edge)) for edge in edges if abs(edge) != float("inf")][:1]
    if ours["low"] is not None and ours["high"] is not None:
        parts.append(f'<line x1="{x(ours["low"])}" x2="{x(ours["high"])}" y1="{AXIS}" y2="{AXIS}" class="interval"/>')
    parts.append(f'<circle cx="{x(ours["value"])}" cy="{AXIS}" r="4.5" class="ours-mark"/>')
    if papers is not None:
        at = x(papers)
        corners = " ".join(f"{at + dx},{AXIS + dy}" for dx, dy in ((0, -8), (6, 0), (0, 8), (-6, 0)))
        parts.append(f'<polygon points="{corners}" class="papers-mark"/>')
    said = escape(f"ours {number(ours)}; paper {papers_value(claim)}; the rule holds in the shaded part")
    return (
        f'<svg class="beside" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{said}"><title>{said}</title>{"".join(parts)}</svg>'
    )


def label(at: float, text: str) -> str:
    """A tick of the axis and its number below."""
    return (
        f'<line x1="{at}" x2="{at}" y1="{AXIS - 14}" y2="{AXIS + 14}" class="edge"/>'
        f'<text x="{at}" y="{HEIGHT - 1}">{text}</text>'
    )


def rule_edges(rule: dict, other: dict | None = None) -> tuple[float, ...]:
    """(from, to) of the values for which a rule holds, infinite where it is open; () where `other` has no interval."""
    kind, infinite = rule["kind"], float("inf")
    if kind == "within":
        return rule["value"] - rule["tolerance"], rule["value"] + rule["tolerance"]
    if kind in ("positive", "negative"):
        edge = 0.0
    elif kind in ("at_least", "at_most"):
        edge = rule["value"]
    else:
        edge = rule["than"] if is_number(rule["than"]) else other["high" if kind == "greater" else "low"]
    if edge is None:
        return ()
    return (edge, infinite) if kind in ("positive", "at_least", "greater") else (-infinite, edge)
