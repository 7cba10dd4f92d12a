"""Damage: to bytes, to messages, to JSON."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

M = TypeVar("M", bound=Message)

INTEGERS = (0, 1, -1, 63, 64, 65, 255, 2**16, 2**31 - 1, 2**31, 2**32, 2**53, 2**62, 2**63 - 1)
REALS = (0.0, -0.0, -1.0, 1e-300, 1e300, float("inf"), float("-inf"), float("nan"))
TEXTS = ("", " ", "\0", "\n", "..", "/", "a" * 5000, "\u202e", "\ud7ff", "%00", "'\"", "${x}", "é")


def damaged(data: bytes, other: bytes, words: tuple[bytes, ...], random: Random) -> bytes:
    """One to four changes: bits, bytes, cuts, repeats, words, parts of another input."""
    for _ in range(random.randint(1, 4)):
        data = random.choice(_CHANGES)(data, other, words, random)
    return data


def _flip(data: bytes, _other: bytes, _words: tuple[bytes, ...], random: Random) -> bytes:
    return _set(data, random, lambda old: old ^ (1 << random.randrange(8)))


def _byte(data: bytes, _other: bytes, _words: tuple[bytes, ...], random: Random) -> bytes:
    return _set(data, random, lambda _: random.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF)))


def _set(data: bytes, random: Random, change: Callable[[int], int]) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    at = random.randrange(len(data))
    changed[at] = change(changed[at])
    return bytes(changed)


def _cut(data: bytes, _other: bytes, _words: tuple[bytes, ...], random: Random) -> bytes:
    start, end = _span(data, random)
    return data[:start] + data[end:]


def _end(data: bytes, _other: bytes, _words: tuple[bytes, ...], random: Random) -> bytes:
    return data[: random.randint(0, len(data))]


def _repeat(data: bytes, _other: bytes, _words: tuple[bytes, ...], random: Random) -> bytes:
    start, end = _span(data, random)
    times = random.choice((1, 2, 100, 10_000)) if end - start < 64 else 1
    return data[:end] + data[start:end] * times + data[end:]


def _word(data: bytes, _other: bytes, words: tuple[bytes, ...], random: Random) -> bytes:
    if not words:
        return data
    start, end = _span(data, random)
    return data[:start] + random.choice(words) + data[random.choice((start, end)) :]


def _splice(data: bytes, other: bytes, _words: tuple[bytes, ...], random: Random) -> bytes:
    start, end = _span(other, random)
    at = random.randint(0, len(data))
    return data[:at] + other[start:end] + data[random.randint(at, len(data)) :]


def _span(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randint(0, len(data))
    return start, min(len(data), start + random.choice((1, 2, 4, 16, 256, 1 << 20)))


_CHANGES = (_flip, _flip, _byte, _cut, _end, _repeat, _word, _word, _splice)


def message_edit(kind: type[Message]) -> Callable[[bytes, Random], bytes]:
    """An edit that sets, clears or repeats a field of a message, at any depth."""

    def edit(data: bytes, random: Random) -> bytes:
        message = kind()
        try:
            message.ParseFromString(data)
        except DecodeError:
            return data
        for _ in range(random.randint(1, 3)):
            _edit_message(message, random)
        return message.SerializeToString()

    return edit


def _edit_message(message: Message, random: Random) -> None:
    fields: Any = message.DESCRIPTOR.fields
    if not fields:  # that it is there is all that it says
        return
    field: FieldDescriptor = random.choice(fields)
    value: Any = getattr(message, field.name)
    if random.random() < 0.1:
        message.ClearField(field.name)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        _edit_map(value, field.message_type.fields_by_name, random)
    elif field.is_repeated:
        _edit_repeated(value, field, random)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        _edit_message(value, random)
        value.SetInParent()
    else:
        setattr(message, field.name, _scalar(field, random))


def _edit_map(values: Any, entry: Any, random: Random) -> None:
    """`entry`: the fields of its entries. Its keys are texts: there is no other map yet."""
    key, value = entry["key"], entry["value"]
    for _ in range(random.choice((1, 2, 33))):
        values[f"{_scalar(key, random)}{random.choice(TEXTS)}"] = _scalar(value, random)


def _edit_repeated(values: Any, field: FieldDescriptor, random: Random) -> None:
    if field.type != FieldDescriptor.TYPE_MESSAGE:
        values.extend(_scalar(field, random) for _ in range(random.choice((1, 2, 100))))
    elif not values or random.random() < 0.3:
        for _ in range(random.choice((1, 64, 65))):
            values.add()
    elif random.random() < 0.3:
        values.extend([random.choice(values)])
    else:
        _edit_message(random.choice(values), random)


def _scalar(field: FieldDescriptor, random: Random) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return random.random() < 0.5
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return random.choice(REALS)
    if kind == FieldDescriptor.CPPTYPE_STRING:
        text = random.choice(TEXTS)
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    bits = 32 if kind in _NARROW else 64
    value = random.choice(INTEGERS) % 2 ** (bits - 1)
    return value if kind in _UNSIGNED or random.random() < 0.7 else -value


_UNSIGNED = (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64)
_NARROW = (
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_ENUM,
)


def edit_json(value: Any, random: Random) -> Any:
    """The value with one of its parts changed, at any depth."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(sorted(value))
        if random.random() < 0.1:
            return {name: part for name, part in value.items() if name != key}
        return {**value, key: edit_json(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        return [*value[:at], edit_json(value[at], random), *value[at + 1 :]]
    return random.choice((None, True, {}, [], *INTEGERS, *REALS, *TEXTS, value, [value, value]))
