"""The client of the management API: what an account has set in the vendor's console, one method per operation."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

from moderate_cli.catalog.services import DEFAULT_REGION
from moderate_cli.client.auth import Credentials, CredentialSource
from moderate_cli.client.caller import Caller
from moderate_cli.client.library_upload import UploadGrant
from moderate_cli.client.limits import RateLimits, Retrier, Timeouts
from moderate_cli.client.management_calls import (
    EXEMPT,
    IMAGES_AT_ONCE,
    KEYWORDS_AT_ONCE,
    MANAGEMENT_VERSION,
    MAX_IMAGE,
    MAX_LISTED,
    MAX_RESULTS,
    NOT_EXEMPT,
    PAGE_SIZE,
    RESOURCE_TYPE,
    ManagementOperation,
    date_text,
    flag,
    given,
    json_map,
    keyword_lines,
    library_list,
    number_list,
)
from moderate_cli.client.management_responses import (
    BuyStatus,
    ImageLibrary,
    ImportResult,
    Keyword,
    KeywordLibrary,
    KeywordsResult,
    LibraryImage,
    Page,
    ServiceBindings,
    ServiceConfig,
    confirm,
    pages,
    read_added,
    read_bindings,
    read_buy_status,
    read_content,
    read_exemptions,
    read_id,
    read_image_libraries,
    read_images,
    read_import,
    read_keyword_libraries,
    read_keywords,
    read_list,
    read_object,
    read_results,
    read_services,
    result_key,
)
from moderate_cli.client.parameters import Parameters, Repeating
from moderate_cli.client.responses import OutcomeUnknownError, UnreadableResponseError, read_management_body
from moderate_cli.common.errors import InputError, RefusedError, ServiceError
from moderate_cli.models import Json

_IMPORT_WAIT = 1.0  # seconds between two looks at keywords that are being added in the background (our judgement)
_IMPORT_LOOKS = 120

T = TypeVar("T")


class ManagementClient:
    """Reads and changes what one account has set for Content Moderation; safe to share between threads.

    The parameters are those of `GreenClient`. All methods raise ServiceError, and RefusedError for text that cannot be
    sent. Calls that would make a second thing, or take another away, are not repeated once they may have been carried
    out: they raise ServiceError with the code `outcome_unknown`, and the state must be read before they are made again.
    """

    def __init__(
        self,
        credentials: Credentials | CredentialSource,
        *,
        region: str | None = DEFAULT_REGION,
        endpoint: str | None = None,
        vpc: bool = False,
        timeouts: Timeouts | None = None,
        retrier: Retrier | None = None,
        limits: RateLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.region = region
        self._caller = Caller(
            credentials,
            version=MANAGEMENT_VERSION,
            read=read_management_body,
            region=region,
            endpoint=endpoint,
            vpc=vpc,
            quota=None,
            timeouts=timeouts,
            retrier=retrier,
            limits=limits,
            clock=clock,
        )

    @property
    def endpoint(self) -> str:
        """The host that this client calls, with its port if that is not the usual one."""
        return self._caller.endpoint.host

    def close(self) -> None:
        """Close all connections."""
        self._caller.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def services(self) -> list[ServiceConfig]:
        """Return the image services of the account, copies among them (ListServiceConfigs)."""
        return self._read(ManagementOperation.LIST_SERVICES, read_services, {"ResourceType": RESOURCE_TYPE})

    def service(self, code: str) -> ServiceBindings:
        """Return the keyword libraries of a service (GetServiceConfig)."""
        form = {"ServiceCode": code, "ResourceType": RESOURCE_TYPE}
        return self._read(ManagementOperation.GET_BINDINGS, read_bindings, form)

    def scope(self, code: str, scene: str, *, by_default: bool = False) -> Json:
        """Return scope and thresholds of a service for a scene, in an undocumented shape (GetServiceConf).

        `by_default` asks for what the vendor has set.
        """
        form = {"ServiceCode": code, "ResourceType": RESOURCE_TYPE, "Scene": scene, "ByDefault": flag(by_default)}
        return self._read(ManagementOperation.GET_SCOPE, read_content, form)

    def scene_labels(self, code: str) -> list[Any]:
        """Return the scenes and labels of a service, in an undocumented shape (GetImageSceneLabelListConf)."""
        return self._read(ManagementOperation.GET_SCENE_LABELS, read_list, query={"ImageServiceCode": code})

    def update_service(
        self,
        code: str,
        *,
        scene: str | None = None,
        scene_config: str | None = None,
        service_config: str | None = None,
        ignored: Sequence[str] | None = None,
        flagged: Sequence[str] | None = None,
        dry_run: bool = False,
    ) -> None:
        """Set parts of a service's configuration; what is None stays as it is (UpdateServiceConfig).

        `scene_config` and `service_config` are JSON texts in an undocumented shape; `ignored` and `flagged` are all
        keyword libraries of that kind. With `dry_run` the service only checks whether it would do it.
        """
        form = {
            "ServiceCode": code,
            "ResourceType": RESOURCE_TYPE,
            "Scene": scene,
            "SceneConfig": scene_config,
            "ServiceConfig": service_config,
            "KeywordFilterLibs": None if ignored is None else library_list(ignored),
            "KeywordHitLibs": None if flagged is None else library_list(flagged),
            "DryRun": flag(True) if dry_run else None,
        }
        self._do(ManagementOperation.UPDATE_SERVICE, form)

    def copy_service(self, source: str, title: str, description: str) -> None:
        """Copy a service (CopyServiceConfig).

        The API answers only whether it did: look for the new code in `services()`. It can be called after 1 to 2
        minutes (the vendor's guide to the console).
        """
        self._do(ManagementOperation.COPY_SERVICE, _titled(source, title, description))

    def rename_service(self, code: str, title: str, description: str) -> None:
        """Set name and description of a service (ModifyServiceInfo)."""
        self._do(ManagementOperation.RENAME_SERVICE, _titled(code, title, description))

    def image_libraries(self, service: str | None = None) -> list[ImageLibrary]:
        """Return the image libraries; with a service, whether they are exempt there (ListImageLib)."""
        read = read_image_libraries if service is None else read_exemptions
        return self._read(ManagementOperation.LIST_IMAGE_LIBRARIES, read, {"ServiceCode": service})

    def create_image_library(self, name: str, comment: str) -> str:
        """Create an image library, and return its id (CreateImageLib)."""
        form = {"LibName": name, "Comment": comment}
        return self._read(ManagementOperation.CREATE_IMAGE_LIBRARY, lambda body: read_id(body, "LibId"), form)

    def update_image_library(self, library: str, *, name: str, comment: str, exempt: bool | None = None) -> None:
        """Set name and comment of an image library, and whether it is exempt unless that is None (UpdateImageLib)."""
        form = {
            "LibId": library,
            "LibName": name,
            "Comment": comment,
            "FreeInspection": None if exempt is None else str(_inspection(exempt)),
        }
        self._do(ManagementOperation.UPDATE_IMAGE_LIBRARY, form)

    def library_images(self, library: str) -> Iterator[LibraryImage]:
        """Yield the images of a library, page by page (ListImagesFromLib)."""
        operation, form = ManagementOperation.LIST_IMAGES, {"LibId": library}
        return self._all(operation, read_images, form, lambda image: image.id)

    def add_image(self, library: str, content: BinaryIO, name: str) -> str:
        """Upload an image of at most 4 MB into a library, and return its id (GetUploadInfo, AddImages2Lib).

        Of `name` only the suffix is sent. Raises RefusedError for a larger image, and InputError if it cannot be read.
        """
        data = _content(content)
        suffix = found[0].lower() if (found := re.search(r"\.[A-Za-z0-9]{1,5}$", name)) else ""
        form = {"Name": f"{hashlib.sha256(data).hexdigest()}{suffix}", "ResourceType": RESOURCE_TYPE}
        transport, timeout = self._caller.transport, self._caller.timeouts.read
        operation = ManagementOperation.GET_UPLOAD_GRANT
        grant = self._read(operation, lambda body: UploadGrant.read(body, transport.secrets), form)
        # The same bytes under the same key: sending them once more changes nothing.
        self._caller.retrier.run(lambda: grant.post(transport, data, read_timeout=timeout))
        form = {"LibId": library, "ImgUrl": grant.key}
        return self._read(ManagementOperation.ADD_IMAGE, lambda body: read_id(body, "ImgId"), form)

    def remove_images(self, library: str, images: Sequence[str]) -> None:
        """Remove images from a library by their ids, 100 with each call (DeleteImagesFromLib)."""
        for some in _chunks(images, IMAGES_AT_ONCE):
            self._do(ManagementOperation.REMOVE_IMAGES, {"LibId": library, "ImageIds": number_list(some)})

    def set_exemptions(self, service: str, libraries: Mapping[str, bool]) -> None:
        """Say which image libraries are exempt in a service, by their ids (UpdateImageLibFreeInspection)."""
        config = json_map({library: _inspection(exempt) for library, exempt in libraries.items()})
        self._do(ManagementOperation.SET_EXEMPTIONS, {"Config": config, "ServiceCode": service})

    def keyword_libraries(self) -> list[KeywordLibrary]:
        """Return the keyword libraries (ListKeywordLibs)."""
        return self._read(ManagementOperation.LIST_KEYWORD_LIBRARIES, read_keyword_libraries)

    def create_keyword_library(self, name: str) -> str:
        """Create an empty keyword library, and return its id (AddKeywordLib).

        That it may be empty is the vendor's guide to the console; `add_keywords` tells what becomes of each word.
        """
        operation = ManagementOperation.CREATE_KEYWORD_LIBRARY
        return self._read(operation, lambda body: read_id(body, "LibId"), {"LibName": name})

    def rename_keyword_library(self, library: str, name: str) -> None:
        """Set the name of a keyword library (UpdateKeywordLib)."""
        self._do(ManagementOperation.RENAME_KEYWORD_LIBRARY, {"LibId": library, "LibName": name})

    def delete_keyword_library(self, library: str) -> None:
        """Delete a keyword library with all its keywords (DeleteKeywordLib)."""
        self._do(ManagementOperation.DELETE_KEYWORD_LIBRARY, {"LibId": library})

    def keywords(self, library: str, word: str | None = None) -> Iterator[Keyword]:
        """Yield the keywords of a library, or those that match `word` in the service's way (ListKeywords)."""
        operation, form = ManagementOperation.LIST_KEYWORDS, {"LibId": library, "Word": word}
        return self._all(operation, read_keywords, form, lambda keyword: keyword.id)

    def add_keywords(self, library: str, keywords: Sequence[str]) -> KeywordsResult:
        """Add keywords to a library, 500 with each call (AddKeywords, GetKeywordImportResult).

        Raises RefusedError, before anything is sent, for a keyword that is empty or has several lines.
        """
        result = KeywordsResult()
        texts = [keyword_lines(some) for some in _chunks(keywords, KEYWORDS_AT_ONCE)]
        for text in texts:
            operation = ManagementOperation.ADD_KEYWORDS
            answer = self._read(operation, read_added, {"LibId": library, "Keywords": text})
            result += self._imported(answer) if isinstance(answer, ImportResult) else answer
        return result

    def remove_keywords(self, library: str, ids: Sequence[str]) -> None:
        """Remove keywords from a library by their ids, 500 with each call (DeleteKeyword)."""
        for some in _chunks(ids, KEYWORDS_AT_ONCE):
            self._do(ManagementOperation.REMOVE_KEYWORDS, {"LibId": library, "KeywordIds": number_list(some)})

    def results(
        self,
        *,
        since: datetime,
        until: datetime,
        query: Mapping[str, str] | None = None,
        sort: Mapping[str, str] | None = None,
    ) -> Iterator[Page]:
        """Yield the results of a time, page by page, each as the API has it; at most 50,000 (GetScanResult).

        The names in `query` and `sort` are not documented. A moment without a zone is of this machine's.
        """
        form = {
            "ResourceType": RESOURCE_TYPE,
            "StartDate": date_text(since),
            "EndDate": date_text(until),
            "Query": json_map(query) if query else None,
            "Sort": json_map(sort) if sort else None,
        }
        fetch = self._fetch(ManagementOperation.LIST_RESULTS, read_results, form)
        for number, items, total in pages(fetch, result_key, MAX_RESULTS):
            yield Page(number, tuple(items), total)

    def give_feedback(
        self, request_id: str, feedback: str, *, labels: Sequence[str] = (), level: str | None = None
    ) -> None:
        """Say that a result is wrong (UpdateScanResultFeedback).

        Of the values of `feedback` the SDK names only `missOut`. Labels are joined by commas, as in the console.
        """
        form = {
            "QueryRequestId": request_id,
            "Feedback": feedback,
            "Labels": ",".join(labels) or None,
            "RiskLevel": level,
            "ResourceType": RESOURCE_TYPE,
        }
        self._do(ManagementOperation.GIVE_FEEDBACK, form)

    def usage(
        self,
        *,
        since: datetime,
        until: datetime,
        kind: str = "cip",
        by_month: bool = False,
        service: str | None = None,
    ) -> Json:
        """Return the statistics of a time, as the API has them (GetCipStats).

        `kind` is `cip` for the volume of calls, or `risk_level`. The service keeps them for a year, and answers for at
        most two months at once (the vendor's guide to the console).
        """
        form = {
            "ByMonth": flag(by_month),
            "StartDate": date_text(since),
            "EndDate": date_text(until),
            "ResourceType": RESOURCE_TYPE,
        }
        query = {"Type": kind, "ServiceCode": service}
        return self._read(ManagementOperation.GET_USAGE, read_object, form, query)

    def buy_status(self, commodity: str) -> BuyStatus:
        """Return whether the account has activated a commodity, such as `lvwang_public_cn` (GetUserBuyStatus)."""
        return self._read(ManagementOperation.GET_BUY_STATUS, read_buy_status, {"CommodityCode": commodity})

    def _read(
        self,
        operation: ManagementOperation,
        read: Callable[[Json], T],
        form: Mapping[str, str | None] | None = None,
        query: Mapping[str, str | None] | None = None,
    ) -> T:
        """Make a call, and return what `read` makes of its answer."""
        parameters = Parameters(
            query=given({**(query or {}), "RegionId": self.region}), form=None if form is None else given(form)
        )
        done = self._caller.call(operation, parameters)
        with _reading(operation, done.attempts):
            return read(done.body)

    def _do(self, operation: ManagementOperation, form: Mapping[str, str | None]) -> None:
        """Make a call that answers only whether it was carried out."""
        self._read(operation, confirm, form)

    def _fetch(
        self,
        operation: ManagementOperation,
        read: Callable[[Json], tuple[list[T], int]],
        form: Mapping[str, str | None],
    ) -> Callable[[int], tuple[list[T], int]]:
        """Return what fetches a page by its number."""
        return lambda number: self._read(
            operation, read, {**form, "CurrentPage": str(number), "PageSize": str(PAGE_SIZE)}
        )

    def _all(
        self,
        operation: ManagementOperation,
        read: Callable[[Json], tuple[list[T], int]],
        form: Mapping[str, str | None],
        key: Callable[[T], str],
    ) -> Iterator[T]:
        """Yield the entries of all pages."""
        before = 0
        for number, items, total in pages(self._fetch(operation, read, form), key, MAX_LISTED):
            if total > MAX_LISTED:
                raise UnreadableResponseError(f"TotalCount is {total:,}, more than any library holds")
            if total < before:  # the entries behind what was removed moved up, to pages that were read already
                raise UnreadableResponseError(f"by page {number} there were {total:,} entries, and {before:,} before")
            before = total
            yield from items

    def _imported(self, started: ImportResult) -> KeywordsResult:
        """Return what became of keywords that are added in the background, once that is over."""
        operation = ManagementOperation.GET_IMPORT_RESULT
        try:
            for _ in range(_IMPORT_LOOKS):
                looked = self._read(operation, lambda body: read_import(body, started.task), {"TaskId": started.task})
                if looked.result is not None:
                    return looked.result
                self._caller.retrier.sleep(_IMPORT_WAIT)
        except ServiceError as error:
            raise OutcomeUnknownError(ManagementOperation.ADD_KEYWORDS, error) from error
        late = ServiceError(f"the service is not done after {_IMPORT_LOOKS * _IMPORT_WAIT:.0f} s", code="late")
        raise OutcomeUnknownError(ManagementOperation.ADD_KEYWORDS, late)


@contextmanager
def _reading(operation: ManagementOperation, attempts: int) -> Iterator[None]:
    """Say of an unreadable answer how many attempts there were, and of a change that it may have been carried out."""
    try:
        yield
    except UnreadableResponseError as error:
        error.attempts = attempts
        if operation.repeating is Repeating.UNSAFE:
            raise OutcomeUnknownError(operation.value, error) from error
        raise


def _titled(service: str, title: str, description: str) -> dict[str, str | None]:
    return {
        "ServiceCode": service,
        "ServiceName": title,
        "ServiceDesc": description,
        "ResourceType": RESOURCE_TYPE,
    }


def _inspection(exempt: bool) -> int:
    return EXEMPT if exempt else NOT_EXEMPT


def _chunks(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def _content(content: BinaryIO) -> bytes:
    """Return an image; raises RefusedError for one that is too large for a library."""
    try:
        data = content.read(MAX_IMAGE + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", code="unreadable") from error
    if len(data) > MAX_IMAGE:
        message = f"an image in a library may have at most {MAX_IMAGE // 1024 // 1024} MB"
        raise RefusedError(message, code="too_large", api_code=400)
    return data
