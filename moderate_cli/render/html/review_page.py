"""How does a review look in a browser? One page, which asks for what is to be decided and sends what was."""

from __future__ import annotations

from moderate_cli.models import DecisionWord
from moderate_cli.render.html.markup import closing, resource, text

_TITLE = "Review"
# The key, its action, and the word of a decision or of what else it does.
_KEYS = (
    ("c", "decide", DecisionWord.CONFIRMED.value, "Confirm"),
    ("f", "decide", DecisionWord.FALSE_POSITIVE.value, "False positive"),
    ("m", "decide", DecisionWord.MISSED.value, "Missed"),
    ("s", "decide", DecisionWord.SUPPRESSED.value, "Suppress…"),
    ("e", "decide", DecisionWord.ESCALATED.value, "Escalate"),
    ("k", "skip", "", "Skip"),
    ("u", "undo", "", "Undo"),
    ("n", "note", "", "Note…"),
    ("v", "view", "", "Show or blur"),
    ("q", "finish", "", "Finish"),
)


def review_page(nonce: str) -> str:
    """Return the page; a browser runs the script and takes the style that have the nonce of the response, no other."""
    buttons = "".join(
        f'<button type="button" data-key="{key}" data-action="{action}" data-word="{word}" aria-keyshortcuts="{key}">'
        f"{text(label)} <kbd>{key}</kbd></button>\n"
        for key, action, word, label in _KEYS
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{_TITLE}</title>\n<link rel="icon" href="data:,">\n'
        f'<style nonce="{nonce}">{resource("colors.css")}{resource("review.css")}</style>\n</head>\n<body>\n'
        f"{_BEGIN}"
        f'<nav class="keys" aria-label="Decide">\n{buttons}</nav>\n{_END}'
        f'<script nonce="{nonce}">{resource("review.js")}</script>\n{closing()}'
    )


_BEGIN = """\
<header>
<h1>Review</h1>
<p id="progress" role="status"></p>
</header>
<main>
<p id="message" role="alert" hidden></p>
<section id="done" tabindex="-1" hidden>
<h2 id="done-title"></h2>
<p id="done-text"></p>
<button type="button" id="again">Look again <kbd>r</kbd></button>
</section>
<article id="item" tabindex="-1" hidden aria-labelledby="source">
<div class="picture" id="picture"></div>
<div class="about">
<h2><span class="level" id="level"></span> <bdi id="source" dir="auto"></bdi></h2>
<p id="link"></p>
<ul class="findings" id="findings"></ul>
<ul class="remarks" id="remarks"></ul>
<dl id="facts"></dl>
</div>
</article>
</main>
"""
_END = """\
<footer class="quiet"><label><input type="checkbox" id="keys" checked> One key decides</label>
<label><input type="checkbox" id="blur" checked> Blur what is at high</label>
<label><input type="checkbox" id="gray"> In gray</label></footer>
<dialog id="ask" aria-labelledby="ask-title">
<form id="ask-form" method="dialog">
<h2 id="ask-title"></h2>
<label>Reason or note <input type="text" id="note" maxlength="1000" autocomplete="off"></label>
<label id="expires-label">Last day, if it is to end <input type="date" id="expires"></label>
<p><button type="submit">Save <kbd>Enter</kbd></button>
<button type="button" id="cancel">Cancel <kbd>Esc</kbd></button></p>
</form>
</dialog>
"""
