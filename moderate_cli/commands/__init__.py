"""The commands, one thin module each; this page lists them so that none is imported before it is chosen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A line of `moderate --help`: the command's name, its module below this room, its help and its panel."""

    name: str
    module: str
    help: str
    panel: str


_JUDGE = "Judge"
_KNOW = "Know"

COMMANDS = (
    CommandEntry("sync", "sync", "Judge images now: files, folders and URLs.", _JUDGE),
    CommandEntry("batch", "batch", "Judge images with several services (-s A,B) in one call each.", _JUDGE),
    CommandEntry("async-submit", "async_submit", "Queue images, long images and animations.", _JUDGE),
    CommandEntry("poll", "poll", "Collect the results of queued tasks.", _JUDGE),
    CommandEntry("multimodal", "multimodal", "Judge posts and profiles: title, text, images, comments.", _JUDGE),
    CommandEntry("listen", "listen", "Receive callbacks, verify their checksums, and store what they bring.", _JUDGE),
    CommandEntry("allow", "allow", "Suppress a finding in an image, so that it no longer fails the run.", _JUDGE),
    CommandEntry("history", "history", "Find what was judged, newest first, in every format.", _KNOW),
    CommandEntry("stats", "stats", "Count calls and findings by day, month, service or label.", _KNOW),
    CommandEntry("feedback", "feedback", "Say that a verdict is wrong: a false positive, or something missed.", _KNOW),
    CommandEntry("labels", "labels", "List the risk labels and what they mean.", _KNOW),
    CommandEntry("services", "services", "List the moderation services, what each checks, and where.", _KNOW),
    CommandEntry("regions", "regions", "List the regions, their endpoints, and what is offered there.", _KNOW),
    CommandEntry("config", "config", "Show the settings and where each comes from.", _KNOW),
    CommandEntry("doctor", "doctor", "Check credentials, network, clock, signature and permission.", _KNOW),
    CommandEntry(
        "emulate", "emulate", "Serve a local stand-in for the API, for tests of any program that calls it.", _KNOW
    ),
    CommandEntry("help", "help", "Read the manual: list its topics, or show one.", _KNOW),
    CommandEntry("schema", "schema", "Print the JSON Schema of a record.", _KNOW),
    CommandEntry(
        "completion", "completion", "Print the script that completes command lines in bash, zsh or fish.", _KNOW
    ),
)
