"""The frame of a page: a document that may load nothing, with its style and its script inside."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib.resources import files

import msgspec

from moderate_cli.common.text import safe_json, visible_text


def text(value: str) -> str:
    """Return text whose markup is shown, and whose control characters are written out."""
    return escape(visible_text(value))


def name(value: str) -> str:
    """Return text that keeps its writing direction to itself."""
    return f'<bdi dir="auto">{text(value)}</bdi>'


def paragraphs(value: str) -> str:
    """Return text that keeps its lines, and the direction of each."""
    return "<br>".join(map(name, value.splitlines()))


def opening(title: str, style: str, script: str = "") -> str:
    """Return a document up to the begin of its body; it runs the one script that `closing` is given, and no other."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{text(title)}</title>\n<link rel="icon" href="data:,">\n<style>{style}</style>\n</head>\n'
        "<body>\n"
    )


def data(identity: str, value: object) -> str:
    """Return a value as a block of JSON, which a script reads and nothing runs; no text in it can end the block."""
    content = safe_json(msgspec.json.encode(value).decode()).replace("<", "\\u003c")
    return f'<script type="application/json" id="{identity}">{content}</script>\n'


def closing(script: str = "") -> str:
    """Return the end of a document."""
    return (f"<script>{script}</script>\n" if script else "") + "</body>\n</html>\n"


def resource(name: str) -> str:
    """Return the text of a file beside this one."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    scripts = f"script-src '{_hash(script)}'; " if script else ""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; {scripts}img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode('ascii')}"
