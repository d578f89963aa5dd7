"""The expressions of GitHub's workflows, `${{ ... }}`, as far as the samples use them.

How they are evaluated: GitHub's page "Evaluate expressions in workflows and actions".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(&&|\|\||==|!=|[()])|([\w.-]+))")
Functions = Mapping[str, Callable[..., Any]]


def expand(text: str, contexts: Mapping[str, Any], functions: Functions) -> str:
    """Return a text with the values of its expressions."""
    return re.sub(r"\$\{\{(.+?)\}\}", lambda found: _text(evaluate(found[1], contexts, functions)), text)


def evaluate(text: str, contexts: Mapping[str, Any], functions: Functions) -> Any:
    """Return the value of an expression; what a context does not have is None."""
    parser = _Parser(text, contexts, functions)
    value = parser.either()
    assert parser.rest == [], text
    return value


class _Parser:
    def __init__(self, text: str, contexts: Mapping[str, Any], functions: Functions) -> None:
        assert _TOKEN.sub("", text).strip() == "", text
        self.rest = _TOKEN.findall(text)
        self._contexts = contexts
        self._functions = functions

    def either(self) -> Any:
        value = self._both()
        while self._takes("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._comparison()
        while self._takes("&&"):
            other = self._comparison()
            value = value and other
        return value

    def _comparison(self) -> Any:
        value = self._value()
        for sign in ("==", "!="):
            if self._takes(sign):
                # Texts are compared without case; None is 0 there, and so no text but the empty one.
                is_same = _text(value).lower() == _text(self._value()).lower()
                return is_same is (sign == "==")
        return value

    def _value(self) -> Any:
        quoted, sign, name = self.rest.pop(0)
        if quoted:
            return quoted[1:-1].replace("''", "'")
        if sign == "(":
            value = self.either()
            assert self._takes(")")
            return value
        if self._takes("("):
            given = [] if self.rest[0][1] == ")" else [self.either()]
            assert self._takes(")")
            return self._functions[name](*given)
        value = self._contexts
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def _takes(self, sign: str) -> bool:
        is_next = bool(self.rest) and self.rest[0][1] == sign
        if is_next:
            self.rest.pop(0)
        return is_next


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
