"""The API's description as a page: plain HTML, which loads nothing but its style sheet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

STYLE_URL = "/docs.css"
OPENAPI_URL = "/openapi.json"
_REFERENCE = "#/components/schemas/"
_PLAIN = str.maketrans("/{} .", "-----")
_METHODS = ("get", "post", "put", "patch", "delete")
_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "minLength": "characters, at least",
    "maxLength": "characters, at most",
    "minItems": "items, at least",
    "maxItems": "items, at most",
}


def page_of(schema: Mapping[str, Any]) -> str:
    """The page of an OpenAPI description."""
    info = schema["info"]
    title = f"{info['title']} {info['version']}: the API"
    groups = _groups(schema["paths"])
    records = schema.get("components", {}).get("schemas", {})
    openapi = f'<a href="{OPENAPI_URL}">OpenAPI {escape(schema["openapi"])}</a>'
    body = "\n".join(
        [
            f"<header><h1>{escape(title)}</h1>",
            _paragraphs(info.get("description", "")),
            f"<p>For programs: {openapi}.</p>",
            "<nav><ul>",
            *(
                f'<li><a href="#{_anchor("about", group)}">{escape(group)}</a></li>'
                for group in groups
            ),
            '<li><a href="#records">Records</a></li>',
            "</ul></nav></header><main>",
            *(_group(name, operations) for name, operations in groups.items()),
            '<section id="records"><h2>Records</h2>',
            *(_record(name, records[name]) for name in sorted(records)),
            "</section></main>",
        ]
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="{STYLE_URL}"></head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


def _groups(paths: Mapping[str, Any]) -> dict[str, list[tuple[str, str, Any]]]:
    """Method, path and operation of each, by their first tag, in the order of the description."""
    groups: dict[str, list[tuple[str, str, Any]]] = {}
    for path, operations in paths.items():
        for method in _METHODS:
            if method in operations:
                operation = operations[method]
                tag = (operation.get("tags") or ["Other"])[0]
                groups.setdefault(tag, []).append((method.upper(), path, operation))
    return groups


def _group(name: str, operations: list[tuple[str, str, Any]]) -> str:
    parts = (_operation(*one) for one in operations)
    return (
        f'<section id="{_anchor("about", name)}"><h2>{escape(name)}</h2>\n'
        + "\n".join(parts)
        + "</section>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parameters = [
        (one["name"], one["in"], one.get("required", False), one["schema"], one.get("description"))
        for one in operation.get("parameters", [])
    ]
    content = operation.get("requestBody", {}).get("content", {})
    place = f"<code><b>{method}</b> {escape(path)}</code>"
    return "\n".join(
        [
            f'<details id="{_anchor(method, path)}"><summary>{place}'
            f" <span>{escape(operation.get('summary', ''))}</span></summary>",
            _paragraphs(operation.get("description", "")),
            _table("Parameters", ("name", "where", "type", ""), map(_parameter, parameters)),
            *(
                f"<p>Body: {_type(one.get('schema', {}))} as {escape(m)}</p>"
                for m, one in content.items()
            ),
            _table("Answers", ("status", "", "type"), _answers(operation.get("responses", {}))),
            "</details>",
        ]
    )


def _parameter(one: tuple[str, str, bool, Mapping[str, Any], str | None]) -> tuple[str, ...]:
    name, where, required, schema, description = one
    described = _described({"description": description, **schema}, required=required)
    return f"<code>{escape(name)}</code>", escape(where), _type(schema), described


def _answers(responses: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row for each success, and one for all errors that look the same."""
    errors: dict[str, list[str]] = {}
    for status, response in sorted(responses.items()):
        types = "<br>".join(
            f"{_type(one.get('schema', {}))} as {escape(media)}"
            for media, one in response.get("content", {}).items()
        )
        if status.startswith(("4", "5")) and types:
            errors.setdefault(types, []).append(status)
        else:
            yield status, escape(response.get("description", "")), types
    for types, statuses in errors.items():
        yield ", ".join(statuses), "Errors", types


def _record(name: str, schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    fields = (
        (f"<code>{escape(field)}</code>", _type(one), _described(one, required=field in required))
        for field, one in schema.get("properties", {}).items()
    )
    return "\n".join(
        [
            f'<details id="{_anchor("record", name)}">',
            f"<summary><code>{escape(name)}</code></summary>",
            _paragraphs(schema.get("description", "")),
            _table("Fields", ("name", "type", ""), fields),
            "</details>",
        ]
    )


def _described(schema: Mapping[str, Any], *, required: bool) -> str:
    """What is said of a field or parameter: its meaning, its limits, its default, an example."""
    said = [_text(schema["description"])] if schema.get("description") else []
    said += [f"{word} {schema[key]:g}" for key, word in _LIMITS.items() if key in schema]
    if required:
        said.append("needed")
    elif schema.get("default") not in (None, "", [], {}):
        said.append(f"unless given: <code>{escape(json.dumps(schema['default']))}</code>")
    for example in schema.get("examples", [])[:1]:
        said.append(f"for example <code>{escape(json.dumps(example))}</code>")
    return "; ".join(said)


def _type(schema: Any) -> str:
    """A type in words; records are links to what they hold."""
    if not isinstance(schema, Mapping):
        return "anything"
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(_REFERENCE)
        return f'<a href="#{_anchor("record", name)}">{escape(name)}</a>'
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(map(_type, schema[key])))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in values)
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type(schema['additionalProperties'])}"
    return escape(" ".join(part for part in (str(kind), schema.get("format", "")) if part))


def _table(name: str, heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    if not lines:
        return ""
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    return f"<table><caption>{name}</caption><tr>{head}</tr>\n" + "\n".join(lines) + "</table>"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_text(one)}</p>" for one in text.split("\n\n") if one.strip())


def _text(text: str) -> str:
    """Text of a docstring, in which backquotes stand around code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _anchor(kind: str, name: str) -> str:
    return f"{kind}-{name}".lower().translate(_PLAIN)
