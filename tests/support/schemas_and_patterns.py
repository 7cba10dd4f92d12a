"""Forms of answers, with a check of each, for tests of constrained decoding."""

from __future__ import annotations

from typing import Any

_NAME = {"type": "string", "maxLength": 8}
_COLOUR = {"enum": ["red", "green", "blue", "a white circle"]}

SCHEMAS: dict[str, Any] = {
    "a number": {"type": "integer", "minimum": -20, "maximum": 1200},
    "a fraction": {"type": "number", "minimum": 0, "maximum": 1},
    "an enumeration": _COLOUR,
    "yes or no": {"type": "boolean"},
    "words": {"type": "string", "minLength": 1, "maxLength": 12},
    "an array": {"type": "array", "items": _COLOUR, "minItems": 1, "maxItems": 4},
    "a record": {
        "type": "object",
        "properties": {
            "colour": _COLOUR,
            "count": {"type": "integer", "minimum": 0, "maximum": 9},
            "moving": {"type": "boolean"},
        },
        "required": ["colour", "count"],
        "additionalProperties": False,
    },
    "nested": {
        "type": "object",
        "properties": {
            "plate": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
            "owner": {
                "type": "object",
                "properties": {"name": _NAME, "näme": {"const": "é猫"}},
                "required": ["name", "näme"],
                "additionalProperties": False,
            },
        },
        "required": ["plate", "owner"],
        "additionalProperties": False,
    },
    "one of several": {
        "anyOf": [
            {"type": "null"},
            {"type": "array", "items": {"type": "integer", "maximum": 99}, "maxItems": 3},
            {
                "type": "object",
                "properties": {
                    "kind": {"const": "car"},
                    "seats": {"type": "integer", "minimum": 1, "maximum": 9},
                },
                "required": ["kind", "seats"],
                "additionalProperties": False,
            },
        ]
    },
    "a tree": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "at": {"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$"},
                    "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]},
                },
                "required": ["at", "next"],
                "additionalProperties": False,
            }
        },
    },
}
"""Ten JSON Schemas."""

PATTERNS = (
    r"(red|green|blue) (circle|square)",
    r"[A-Z]{1,3}-[0-9]{2,4}",
    r"(yes|no)(, [a-z]{1,5}){0,3}\.",
    r"\d{1,3}(\.\d{1,2})? ?%",
    r"<(think|\|im_end\|)>[^<]{0,4}</think>",
)
"""Regular expressions, one of which spells control tokens."""
