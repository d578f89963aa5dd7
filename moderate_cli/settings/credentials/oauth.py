"""The OAuth mode of the aliyun CLI: a login whose tokens change with each use, and go back into config.json."""

from __future__ import annotations

import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

from moderate_cli.common.files import atomic_write
from moderate_cli.settings.credentials.files import Section, read_config
from moderate_cli.settings.credentials.library import Build
from moderate_cli.settings.credentials.links import BrokenError, NothingHereError
from moderate_cli.settings.credentials.renewing import MARGIN

# The sites and the public client ids of the aliyun CLI, as provider/cli_profile.py of the library 1.0.12 has them.
_SITES = {
    "CN": ("https://oauth.aliyun.com", "4038181954557748008"),
    "INTL": ("https://oauth.alibabacloud.com", "4103531455503354461"),
}
# The order in which the library hands over what changed (OAuthTokenUpdateCallback), as the keys of the profile.
_CHANGED = (
    "oauth_refresh_token",
    "oauth_access_token",
    "access_key_id",
    "access_key_secret",
    "sts_token",
    "oauth_access_token_expire",
    "sts_expiration",
)

log = logging.getLogger(__name__)


def oauth(section: Section, name: str, path: Path, now: float) -> Build:
    """Plan the exchange of a login for credentials, or the use of those that an earlier exchange left in the file."""
    site = _SITES.get((section.optional("oauth_site_type") or "CN").upper())
    if site is None:
        raise BrokenError(section.place, "its oauth_site_type is neither CN nor INTL")
    access, refresh = section.optional("oauth_access_token"), section.optional("oauth_refresh_token")
    if not access and not refresh:
        raise BrokenError(section.place, "it has no login; log in with aliyun configure --mode OAuth")
    values = {
        "access_token": access,
        "access_token_expire": section.number("oauth_access_token_expire") or 0,
        "refresh_token": refresh,
        **_left(section, now),
    }
    return lambda providers: providers.OAuthCredentialsProvider(
        sign_in_url=site[0], client_id=site[1], token_update_callback=partial(_save, path, name), **values
    )


def _left(section: Section, now: float) -> dict[str, Any]:
    """Return the credentials of the last exchange while they are good: the library uses them to their last second."""
    end = section.number("sts_expiration")
    if end is None or end - now <= MARGIN:
        return {}
    return {
        "access_key_id": section.optional("access_key_id"),
        "access_key_secret": section.optional("access_key_secret"),
        "security_token": section.optional("sts_token"),
        "sts_expiration": end,
    }


def _save(path: Path, name: str, *changed: object) -> None:
    """Put new tokens into the profile: the old refresh token may be worth nothing any more."""
    try:
        document = read_config(path, name)
        profile = next(profile for profile in document["profiles"] if profile.get("name") == name)
        profile.update(zip(_CHANGED, changed, strict=True))
        atomic_write(path, json.dumps(document, indent="\t", ensure_ascii=False))
    except (OSError, UnicodeEncodeError, NothingHereError, StopIteration):
        log.warning("the new login of profile %s could not be saved; aliyun configure will ask for another", name)
