"""What does a call of the management API say? The operations of version 2022-09-26 and how their values are written.

Where each parameter travels is that of the vendor's SDK for this version, 1.13.5. Nothing here was tried against the
live service (2026-11): what no source settles stands in one constant or function each, marked "uncertain".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from enum import StrEnum

from moderate_cli.client.parameters import Repeating, check_text
from moderate_cli.common.errors import RefusedError

MANAGEMENT_VERSION = "2022-09-26"
RESOURCE_TYPE = "image"  # of the image services, as the SDK's examples have it

# The vendor's guide to the console (2025-12-04)
MAX_IMAGE = 4 * 1024 * 1024  # bytes of an image in a library
MAX_RESULTS = 50_000  # results of one search

PAGE_SIZE = 100  # entries asked for at once; the API documents no limit (uncertain)
MAX_LISTED = 1_000_000  # entries of one library, ten times what the guide allows: more is a service that never ends
KEYWORDS_AT_ONCE = 500  # in one call: 90 kB in a form if all are Chinese; the API documents no limit (uncertain)
IMAGES_AT_ONCE = 100  # removed by one call; the API documents no limit (uncertain)

# The SDK's text has lost what follows "Separate multiple keywords with"; the example of the Go SDK shows an escaped
# line feed. Uncertain whether the service wants the character or the two signs of the escape.
KEYWORD_SEPARATOR = "\n"

# UpdateImageLibFreeInspection and UpdateImageLib: inferred from the name, the type int, and the console's switch.
EXEMPT, NOT_EXEMPT = 1, 0

# The dates of the API name no zone. The vendor's own times are those of Beijing (uncertain).
ZONE = timezone(timedelta(hours=8))
_DATE = "%Y-%m-%d %H:%M:%S"


class ManagementOperation(StrEnum):
    """The operations of the management API that are used, by the name that is sent as `x-acs-action`."""

    LIST_SERVICES = "ListServiceConfigs"
    GET_BINDINGS = "GetServiceConfig"
    GET_SCOPE = "GetServiceConf"
    GET_SCENE_LABELS = "GetImageSceneLabelListConf"
    UPDATE_SERVICE = "UpdateServiceConfig"
    COPY_SERVICE = "CopyServiceConfig"
    RENAME_SERVICE = "ModifyServiceInfo"
    LIST_IMAGE_LIBRARIES = "ListImageLib"
    CREATE_IMAGE_LIBRARY = "CreateImageLib"
    UPDATE_IMAGE_LIBRARY = "UpdateImageLib"
    LIST_IMAGES = "ListImagesFromLib"
    GET_UPLOAD_GRANT = "GetUploadInfo"
    ADD_IMAGE = "AddImages2Lib"
    REMOVE_IMAGES = "DeleteImagesFromLib"
    SET_EXEMPTIONS = "UpdateImageLibFreeInspection"
    LIST_KEYWORD_LIBRARIES = "ListKeywordLibs"
    CREATE_KEYWORD_LIBRARY = "AddKeywordLib"
    RENAME_KEYWORD_LIBRARY = "UpdateKeywordLib"
    DELETE_KEYWORD_LIBRARY = "DeleteKeywordLib"
    LIST_KEYWORDS = "ListKeywords"
    ADD_KEYWORDS = "AddKeywords"
    GET_IMPORT_RESULT = "GetKeywordImportResult"
    REMOVE_KEYWORDS = "DeleteKeyword"
    LIST_RESULTS = "GetScanResult"
    GIVE_FEEDBACK = "UpdateScanResultFeedback"
    GET_USAGE = "GetCipStats"
    GET_BUY_STATUS = "GetUserBuyStatus"

    @property
    def repeating(self) -> Repeating:
        """What it means to send a call again whose response was lost."""
        return Repeating.UNSAFE if self in _UNSAFE else Repeating.FREE

    @property
    def grants(self) -> bool:
        """Whether its response holds secrets, which are read and never shown."""
        return self is ManagementOperation.GET_UPLOAD_GRANT


# All others read, or set a value that is the same after the second time. No page says that adding a keyword twice, or
# removing what is gone, is harmless.
_UNSAFE = frozenset(
    {
        ManagementOperation.COPY_SERVICE,
        ManagementOperation.CREATE_IMAGE_LIBRARY,
        ManagementOperation.ADD_IMAGE,
        ManagementOperation.REMOVE_IMAGES,
        ManagementOperation.CREATE_KEYWORD_LIBRARY,
        ManagementOperation.DELETE_KEYWORD_LIBRARY,
        ManagementOperation.ADD_KEYWORDS,
        ManagementOperation.REMOVE_KEYWORDS,
    }
)


def flag(value: bool) -> str:
    """Return a boolean as text. The vendor's SDK sends `True` and `False`; uncertain which one the service wants."""
    return "true" if value else "false"


def date_text(moment: datetime) -> str:
    """Return a moment as the API writes dates."""
    return moment.astimezone(ZONE).strftime(_DATE)


def date_seconds(text: str) -> float:
    """Return a moment that the API writes, in Unix seconds; raises ValueError for another form, or one before 1970."""
    seconds = datetime.strptime(text, _DATE).replace(tzinfo=ZONE).timestamp()
    if seconds < 0:
        raise ValueError(f"{text} is before 1970")
    return seconds


def json_map(values: Mapping[str, str | int]) -> str:
    """Return a map as JSON text."""
    return _compact(dict(values))


def library_list(ids: Sequence[str]) -> str:
    """Return ids of libraries as JSON text: a list of strings, as they are read."""
    return _compact(list(ids))


def number_list(ids: Sequence[str]) -> str:
    """Return ids of images or keywords as JSON text: numbers, as in the examples of the Go SDK, where they are some."""
    return _compact([int(each) if re.fullmatch("[1-9][0-9]{0,18}", each) else each for each in ids])


def keyword_lines(keywords: Sequence[str]) -> str:
    """Return keywords as one text; raises RefusedError for one that is empty or that would become several."""
    for keyword in keywords:
        if not keyword.strip() or len(keyword.splitlines()) > 1:
            message = f"{keyword!r} is no keyword: it is empty or has several lines"
            raise RefusedError(message, code="parameter_invalid", api_code=400)
    return KEYWORD_SEPARATOR.join(keywords)


def given(fields: Mapping[str, str | None]) -> dict[str, str]:
    """Return the parameters that have a value; raises RefusedError for text that cannot be sent as UTF-8."""
    found = {name: value for name, value in fields.items() if value is not None}
    for name, value in found.items():
        check_text(name, value)
    return found


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
