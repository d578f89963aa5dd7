"""What does `-h` show of a command with many options? Three examples, and the ten options that people need most."""

from __future__ import annotations

from typing import NamedTuple


class ShortHelp(NamedTuple):
    """The short help of a command: what may stand behind its name, and the names of parameters."""

    examples: tuple[str, ...]
    options: tuple[str, ...]


_IMAGES = (
    *("fail_on", "show_clean", "format", "output", "exclude"),
    *("service", "profile", "region", "reuse", "dry_run"),
)
_PAST = ("output", "since", "until", "service")

SHORT_HELP = {
    "sync": ShortHelp(
        ("photo.jpg -p local", "assets/ --fail-on high", "'img/**/*.png' -f json -o report.json"),
        _IMAGES,
    ),
    "batch": ShortHelp(
        (
            "photo.jpg -s A,B --region cn-shanghai",
            "photo.jpg -s baselineCheck,tonalityImprove -p local",
            "assets/ -s A,B --fail-on high",
        ),
        _IMAGES,
    ),
    "async-submit": ShortHelp(
        ("clip.gif --interval 5 --wait", "assets/ --callback https://HOST/", "clip.gif --wait -p local"),
        (
            *("fail_on", "format", "service", "profile", "region"),
            *("interval", "max_frames", "callback", "wait", "wait_timeout"),
        ),
    ),
    "poll": ShortHelp(
        ("", "REQ_ID --wait", "--wait --wait-timeout 600 --fail-on high"),
        (
            *("fail_on", "format", "output", "quiet", "profile"),
            *("region", "wait", "wait_timeout", "poll_interval", "save_frames"),
        ),
    ),
    "multimodal": ShortHelp(
        ("post.yaml --wait", "--title Hello --text 'a post' --image a.png", "post.yaml --wait -p local"),
        (
            *("fail_on", "format", "profile", "region", "wait"),
            *("title", "text", "image", "comment", "dry_run"),
        ),
    ),
    "listen": ShortHelp(
        ("--uid UID --port 8080", "--uid UID --once 10 --fail-on high", "--uid UID --verify callback.txt"),
        ("fail_on", "format", "output", "uid", "seed", "host", "port", "path", "once", "verify_file"),
    ),
    "convert": ShortHelp(
        ("results.jsonl -f sarif -o found.sarif", "shard-*.json -f html -o all.html", "results.json --fail-on high"),
        (
            *("fail_on", "require_full", "show_suppressed", "allow_empty", "format", "output"),
            *("sarif_output", "junit_output", "html_output", "quiet"),
        ),
    ),
    "review": ShortHelp(
        ("", "results.jsonl --label violent_gun", "--since 7d --terminal"),
        (
            *("since", "label", "risk", "service", "by"),
            *("order", "terminal", "no_open", "write_suppressions", "export"),
        ),
    ),
    "feedback": ShortHelp(
        ("REQUEST_ID missed", "REQUEST_ID false-positive --note 'our logo'", "- --by ann"),
        ("note", "by", "store", "send", "value", "profile", "region", "endpoint", "timeout", "retries"),
    ),
    "history": ShortHelp(
        ("--risk high --since 7d", "--label '!=nonLabel' -f csv -o found.csv", "--source '*/a.png'"),
        ("format", *_PAST, "label", "risk", "source", "decision", "limit"),
    ),
    "stats": ShortHelp(
        ("--by month", "--by label --since 30d", "--export usage.csv"),
        ("by", "format", "export", *_PAST, "engine", "store", "color"),
    ),
    "doctor": ShortHelp(
        ("", "--region cn-shanghai", "-p local"),
        (
            *("format", "color", "verbose", "profile", "service"),
            *("region", "endpoint", "vpc", "timeout", "retries"),
        ),
    ),
}
"""By the name of the command."""
