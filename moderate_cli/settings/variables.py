"""The environment variables that mean something here: one with a mistake in it must not leave a gate open."""

from __future__ import annotations

import re
from difflib import get_close_matches

from moderate_cli.environment import Environment
from moderate_cli.errors import UsageError
from moderate_cli.settings.table import SETTINGS

PREFIX = "MODERATE_"
# Those of options that are no settings, and a few without an option; a test holds them against all commands, which
# nobody imports to find out.
_OTHERS = """
    ACCEPT_UNVERIFIED ALLOW_EMPTY BASELINE CALLBACK COLOR CONFIG CRYPT_TYPE CSV_OUTPUT DATA_ID DATA_ID_FROM DEBUG
    DRY_RUN FILES_FROM FILES_FROM0 FOLLOW_LINKS FORCE_EXCLUDE FORMAT HOST HTML_OUTPUT INTERVAL
    JSONL_OUTPUT JSON_OUTPUT JUNIT_OUTPUT KIND MARKDOWN_OUTPUT MAX_FRAMES NO_IGNORE NO_PREFLIGHT NO_PROGRESS ORDERED
    OSS_ENDPOINT OSS_REGION OUTPUT PATH PENDING POLICY_FROM POLL_INTERVAL PORT PROFILE QUIET RAW REFERER
    RETRY_FAILED RULES SARIF_OUTPUT SAVE_FRAMES SEED SHOW_SUPPRESSED SUPPRESSIONS UID VERBOSE WAIT
    WAIT_TIMEOUT
"""
_FORMER = frozenset({"MODERATE_IGNORE_FILE", "MODERATE_SHOW_IGNORED"})  # of 0.1.0; deprecated
_CURRENT = {f"{PREFIX}{name}" for name in _OTHERS.split()} | {setting.variable for setting in SETTINGS.values()}
KNOWN = _FORMER | _CURRENT
"""All variables that mean something here."""

# Kubernetes sets these in each pod beside a service that is called `moderate`
# (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
_OF_A_SERVICE = re.compile(r"MODERATE_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")


def refuse_unknown(environment: Environment) -> None:
    """Raise UsageError for a variable that begins as ours do and means nothing, with the one that may be meant."""
    for name, text in environment.variables.items():
        if name.startswith(PREFIX) and name not in KNOWN and text and not _OF_A_SERVICE.fullmatch(name):
            near = get_close_matches(name, _CURRENT, n=1)
            words = f", did you mean {near[0]}?" if near else ""
            raise UsageError(f"unknown variable {name}{words}", hint="each option names its variable in --help")
