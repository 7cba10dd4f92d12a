"""A page of headings, text, tables and charts, as Markdown and as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #1f2328;
  max-width: 1040px; margin: 0 auto; padding: 32px 24px 64px; background: #fff; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 20px; margin: 40px 0 8px; border-bottom: 1px solid #d0d7de; padding-bottom: 4px; }
h3 { font-size: 16px; margin: 28px 0 6px; }
p, li { max-width: 76ch; }
li { overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 10px 0; font-size: 13px;
  font-variant-numeric: tabular-nums; }
th, td { padding: 4px 0 4px 18px; text-align: right; white-space: nowrap; vertical-align: top;
  border-bottom: 1px solid #eaeef2; }
th { border-bottom: 1.5px solid #1f2328; vertical-align: bottom; }
tr:last-child td { border-bottom: 1.5px solid #1f2328; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th.text, td.text { text-align: left; white-space: normal; }
tr.sum td { font-weight: 600; background: #f6f8fa; }
.range { color: #59636e; font-weight: 400; font-size: 11px; display: block; line-height: 1.2; }
svg.chart { width: 100%; max-width: 760px; height: auto; margin: 12px 0; display: block; }
.chart text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
.chart text.title { font-size: 14px; font-weight: 600; }
.chart text.tick { fill: #59636e; font-size: 11px; }
.chart .grid { stroke: #eaeef2; stroke-width: 1; }
.chart .line { fill: none; stroke-width: 2; }
.chart .whisker { stroke-width: 1.2; opacity: .55; }
@media print { body { max-width: none; padding: 0; } h2, h3, svg, tr { break-inside: avoid; } }
"""


@dataclass(frozen=True, slots=True)
class Table:
    """`sums`: rows, by number, that sum up others. `texts`: columns, by number, with words."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    sums: frozenset[int] = frozenset()
    texts: frozenset[int] = frozenset()

    def markdown(self) -> str:
        """As GitHub reads it."""
        lines = ["| " + " | ".join(map(_cell, self.head)) + " |", "|" + " --- |" * len(self.head)]
        lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in self.rows]
        return "\n".join(lines)

    def html(self) -> str:
        """A table that can be scrolled by itself."""
        head = "".join(
            f'<th class="text">{escape(one)}</th>'
            if place in self.texts
            else f"<th>{escape(one)}</th>"
            for place, one in enumerate(self.head)
        )
        body = []
        for number, row in enumerate(self.rows):
            cells = "".join(
                f'<td class="text">{escape(one)}</td>' if place in self.texts else _number(one)
                for place, one in enumerate(row)
            )
            body.append(
                f'<tr class="sum">{cells}</tr>' if number in self.sums else f"<tr>{cells}</tr>"
            )
        return (
            f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(body)}</tbody></table></div>"
        )


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture. `file`: the name under which Markdown finds it."""

    title: str
    svg: str
    file: str


@dataclass(frozen=True, slots=True)
class Heading:
    """`level`: 1 to 3."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    texts: Sequence[str]


Part = Table | Chart | Heading | Items | str


@dataclass(slots=True)
class Page:
    """Its parts, from top to bottom."""

    title: str
    parts: list[Part] = field(default_factory=list)

    def add(self, *parts: Part) -> None:
        """Add to the end."""
        self.parts += parts

    @property
    def charts(self) -> list[Chart]:
        """The pictures."""
        return [part for part in self.parts if isinstance(part, Chart)]

    def markdown(self) -> str:
        """The page, with its pictures as files beside it."""
        found = [f"# {self.title}"]
        for part in self.parts:
            match part:
                case Table():
                    found.append(part.markdown())
                case Chart():
                    found.append(f"![{part.title}]({part.file})")
                case Heading():
                    found.append(f"{'#' * part.level} {part.text}")
                case Items():
                    found.append("\n".join(f"- {text}" for text in part.texts))
                case str():
                    found.append(part)
        return "\n\n".join(found) + "\n"

    def html(self) -> str:
        """The page in one file, which asks no other for anything."""
        found = [f"<h1>{escape(self.title)}</h1>"]
        for part in self.parts:
            match part:
                case Table():
                    found.append(part.html())
                case Chart():
                    found.append(part.svg)
                case Heading():
                    found.append(f"<h{part.level}>{escape(part.text)}</h{part.level}>")
                case Items():
                    lines = "".join(f"<li>{escape(text)}</li>" for text in part.texts)
                    found.append(f"<ul>{lines}</ul>")
                case str():
                    found.append(f"<p>{escape(part)}</p>")
        body = "\n".join(found)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.title)}</title>\n<style>{_STYLE}</style></head>\n"
            f"<body>\n{body}\n</body></html>\n"
        )


def standing_alone(svg: str) -> str:
    """A chart with its style in it, for a file of its own."""
    rules = "\n".join(line for line in _STYLE.splitlines() if line.startswith(".chart"))
    head, _, rest = svg.partition(">")
    plain = head.replace(' class="chart"', ' class="chart" width="720" height="340"')
    return f"{plain}><style>{rules}</style>{rest}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _number(text: str) -> str:
    """A figure, with its interval below it."""
    value, bracket, rest = text.partition(" (")
    if not bracket:
        return f"<td>{escape(text)}</td>"
    return f'<td>{escape(value)}<span class="range">{escape(rest.removesuffix(")"))}</span></td>'
