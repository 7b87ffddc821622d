"""Reading JSON of others: what is JSON by its grammar, and yet could not be used, is refused here."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from pydantic_core import from_json

DEEPEST = 200
"""Levels of arrays and objects that pydantic's JSON parser reads."""
TOO_DEEP = f"nested more than {DEEPEST} levels deep"

# Cheap to look for, and rare: numbers with a long exponent, or with hundreds of digits.
_MAY_BE_TOO_LARGE = re.compile(rb"[0-9][eE]\+?[0-9]{3}|[0-9]{200}")


class OutOfRange(ValueError):
    """A JSON text is well-formed, and nested too deeply or with a number in it that is too large."""


def read_json(text: bytes | str) -> Any:
    """The value of a JSON text; whole numbers of any length stay whole. Raises ValueError, and of those
    OutOfRange."""
    raw = text.encode() if isinstance(text, str) else text
    try:
        value = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        if "recursion limit" in str(error):
            raise OutOfRange(TOO_DEEP) from error
        raise
    if _MAY_BE_TOO_LARGE.search(raw):
        json.loads(raw, parse_float=_check_finite, parse_int=str)
    return value


def check_depth(text: bytes) -> None:
    """Raise OutOfRange for JSON so deep that whoever gets it could not read it."""
    # Counting costs next to nothing, and is enough for all but large arguments.
    if text.count(b"[") + text.count(b"{") > DEEPEST:
        read_json(text)


def _check_finite(number: str) -> float:
    """Raise OutOfRange for a number that would be read as infinity, which JSON cannot mean."""
    value = float(number)
    if math.isinf(value):
        shown = number if len(number) <= 20 else f"{number[:20]}…"
        raise OutOfRange(f"the number {shown} is larger than any float")
    return value
