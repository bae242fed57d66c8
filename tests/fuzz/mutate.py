"""Changes made to sound inputs: of any bytes, of text by its words, and of Thrift's compact encoding by its numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

ODD_BYTES = (0, 1, 127, 128, 255)
ODD_WORDS = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 2**30, 2**31 - 1, 2**31, 2**32 - 1)
WIDTHS = (1, 2, 4, 8)


def of_bytes(content: bytes, rng: random.Random, others: Sequence[bytes] = (), end: int | None = None) -> bytes:
    """One to a few changes before ``end``: bits, bytes, whole numbers of a length, cuts, repeats, pieces of another."""
    spoilt = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        if not spoilt:
            break
        at = rng.randrange(min(end or len(spoilt), len(spoilt)))
        way = rng.choices(range(8), [8, 8, 5, 2, 1, 2, 1, 1])[0]
        size = rng.choice([1, 1, 2, 4, 8, 16, rng.randrange(1, 64)])
        if way == 0:
            spoilt[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            spoilt[at] = rng.choice([*ODD_BYTES, spoilt[at] ^ 255, (spoilt[at] + rng.choice([1, -1])) % 256])
        elif way == 2:  # a length or a count, in either order of bytes
            width = rng.choice(WIDTHS)
            order = rng.choice(["little", "little", "big"])
            old = int.from_bytes(spoilt[at : at + width], order)  # type: ignore[arg-type]
            new = rng.choice([*ODD_WORDS, old + rng.choice([-8, -1, 1, 8]), old * 2]) % 2 ** (8 * width)
            spoilt[at : at + width] = new.to_bytes(width, order)  # type: ignore[arg-type]
        elif way == 3:
            del spoilt[at : at + size]
        elif way == 4:
            del spoilt[at:]
        elif way == 5:
            spoilt[at:at] = spoilt[at : at + size] if rng.random() < 0.5 else rng.randbytes(size)
        elif way == 6:
            spoilt[at : at + size] = rng.randbytes(len(spoilt[at : at + size]))
        elif others:
            other = rng.choice(others)
            start = rng.randrange(len(other) or 1)
            spoilt[at : at + size] = other[start : start + size]
    return bytes(spoilt)


def of_words(text: str, rng: random.Random, others: Sequence[str], words: Sequence[str]) -> str:
    """Changes to text by the line and the word: one left out, repeated, moved, taken from another text or from a list
    of odd ones; deep nesting; and now and then by the byte."""
    lines = text.split("\n")
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(lines))
        way = rng.randrange(7)
        if way == 0:
            del lines[at : at + rng.choice([1, 1, 3])]
            lines = lines or [""]
        elif way == 1:
            lines.insert(rng.randrange(len(lines)), lines[at])
        elif way == 2 and others:
            strange = rng.choice(others).split("\n")
            start = rng.randrange(len(strange))
            lines[at:at] = strange[start : start + rng.choice([1, 2, 8])]
        elif way == 6 and rng.random() < 0.2:
            deep = rng.choice([5, 60, 3000])
            lines[at] = lines[at].replace("=", "= " + rng.choice(["[", "(", '"', "not ", "{a="]) * deep, 1)
        else:
            name, equals, value = lines[at].partition(" = ")
            if equals and rng.random() < 0.6:
                elsewhere = [line.partition(" = ")[2] for line in lines if " = " in line]
                lines[at] = name + equals + rng.choice([rng.choice(words), rng.choice(elsewhere), value + value])
                continue
            parts = lines[at].split(" ")
            which = rng.randrange(len(parts))
            parts[which] = rng.choice([*words, "", parts[rng.randrange(len(parts))], parts[which] * 2])
            lines[at] = " ".join(parts)
    return "\n".join(lines)


# -- Thrift's compact encoding -----------------------------------------------------------------------------------------

_WHOLE = (4, 5, 6)
_LISTS = (9, 10)


class NotThriftError(Exception):
    """The bytes are no struct."""


class Numbers:
    """Where the whole numbers, lengths and field heads of a struct are: (start, end) of each."""

    def __init__(self, content: bytes, start: int = 0) -> None:
        self.content, self.at = content, start
        self.places: list[tuple[int, int]] = []
        try:
            self._struct(0)
        except IndexError:
            raise NotThriftError from None

    def _varint(self) -> int:
        start, value, shift = self.at, 0, 0
        while True:
            byte = self.content[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        self.places.append((start, self.at))
        return value

    def _struct(self, depth: int) -> None:
        if depth > 20:
            raise NotThriftError
        while True:
            head = self.content[self.at]
            self.at += 1
            if not head & 15:
                return
            self.places.append((self.at - 1, self.at))
            if not head >> 4:
                self._varint()
            self._value(head & 15, depth, in_list=False)

    def _value(self, kind: int, depth: int, *, in_list: bool) -> None:
        if kind in (1, 2):
            self.at += in_list
        elif kind == 3:
            self.at += 1
        elif kind in _WHOLE:
            self._varint()
        elif kind == 7:
            self.at += 8
        elif kind == 8:
            size = self._varint()
            self.at += size
        elif kind in _LISTS:
            head = self.content[self.at]
            self.at += 1
            self.places.append((self.at - 1, self.at))
            many = head >> 4 if head >> 4 < 15 else self._varint()
            for _ in range(many):
                self._value(head & 15, depth + 1, in_list=True)
        elif kind == 12:
            self._struct(depth + 1)
        else:
            raise NotThriftError


def varint(value: int) -> bytes:
    out = bytearray()
    value %= 1 << 64
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def of_thrift(content: bytes, start: int, rng: random.Random) -> tuple[bytes, int]:
    """The content with one number of the struct at ``start`` changed, and how many bytes it grew by; as it was where
    there is no struct."""
    try:
        found = Numbers(content, start)
    except NotThriftError:
        return content, 0
    first, last = rng.choice(found.places)
    old = sum((byte & 127) << 7 * i for i, byte in enumerate(content[first:last]))
    change: Callable[[], int] = rng.choice(
        [
            lambda: old ^ 1 << rng.randrange(16),
            lambda: old + rng.choice([-2, 2, -4, 4, 16]),
            lambda: rng.choice(ODD_WORDS),
        ]
    )
    new = varint(change())
    if rng.random() < 0.7 and len(new) != last - first:  # keep the length, so that all else stays where it is
        value = change() % (1 << 7 * (last - first))
        new = bytes((value >> 7 * i & 127) | (128 if i < last - first - 1 else 0) for i in range(last - first))
    return content[:first] + new + content[last:], len(new) - (last - first)
