"""Which bodies does the emulated Green API respond with? Those of results, refusals and upload tokens."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from moderate_cli.emulator.engine import Examination, NotChecked, merge, strongest
from moderate_cli.emulator.messages import GatewayError, Response
from moderate_cli.models import NO_FINDING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from moderate_cli.emulator.engine import Check, Finding
    from moderate_cli.emulator.messages import BodyError
    from moderate_cli.emulator.state import UploadToken

_MESSAGE_NAMES = {
    "DescribeMultimodalModerationResult": "Message",
    "MultimodalAsyncModeration": "Message",
}
"""How an operation names the message in its body, where that is not Msg (vendor's pages)."""


def new_request_id() -> str:
    """Return an id in the form that the vendor uses."""
    return str(uuid.uuid4()).upper()


def success(action: str, request_id: str, data: Mapping[str, Any]) -> Response:
    """Return the response to a successful call."""
    return _answer(200, request_id, {"Code": 200, _message_name(action): "success", "Data": data})


def body_error(action: str, request_id: str, error: BodyError) -> Response:
    """Return the response to a call that the moderation service refuses; its HTTP status is still 200."""
    return _answer(200, request_id, {"Code": error.code, _message_name(action): error.message})


_WITHOUT_CODE = frozenset(
    {
        "AddKeywordsToLib",
        "CopyServiceConfig",
        "GetImageSceneLabelListConf",
        "ModifyServiceInfo",
        "UpdateScanResultFeedback",
    }
)
"""Operations of the management API in whose answers the SDK 1.13.5 reads neither Code nor Success."""


def managed(action: str, request_id: str, body: Mapping[str, Any]) -> Response:
    """Return the response to a successful call of the management API, whose bodies differ in shape."""
    if action in _WITHOUT_CODE:
        return _answer(200, request_id, body)
    return _answer(200, request_id, {"Code": 200, "HttpStatusCode": 200, "Msg": "success", "Success": True, **body})


def management_error(action: str, request_id: str, error: BodyError, host: str) -> Response:
    """Return the response to a refused call of the management API, which is not documented.

    We take it that the body tells, as with the moderation operations, and where it has no code the gateway.
    """
    if action in _WITHOUT_CODE:
        return gateway_error(GatewayError("InvalidParameter", error.message), request_id, host)
    body = {"Code": error.code, "HttpStatusCode": error.code, "Msg": error.message, "Success": False}
    return _answer(200, request_id, body)


def gateway_error(error: GatewayError, request_id: str, host: str) -> Response:
    """Return the response to a call that the gateway refuses."""
    body = {"Code": error.code, "Message": error.message, "HostId": host, "Recommend": ""}
    return _answer(error.status, request_id, body)


def upload_token(token: UploadToken, endpoint: str) -> dict[str, Any]:
    """Describe an upload token the way DescribeUploadToken does; both endpoints are the emulator's."""
    return {
        "AccessKeyId": token.access_key_id,
        "AccessKeySecret": token.access_key_secret,
        "SecurityToken": token.security_token,
        "BucketName": token.bucket,
        "FileNamePrefix": token.prefix,
        "Expiration": token.expiration,
        "OssInternetEndPoint": endpoint,
        "OssInternalEndPoint": endpoint,
    }


def judged_image(data_id: str, examination: Examination) -> dict[str, Any]:
    """Describe what the local engine found, and what it did and did not check."""
    results = [
        {**result, "RiskLevel": finding.risk_level}
        for result, finding in zip(_results(examination.findings), examination.findings, strict=True)
    ]
    return {
        "DataId": data_id,
        "RiskLevel": examination.risk_level,
        "Result": results or [_nothing()],
        "Ext": {**examination.ext, "LocalEngine": local_engine(examination)},
    }


def judged_batch(data_id: str, examinations: Mapping[str, Examination]) -> dict[str, Any]:
    """Describe the verdicts of several services, and all of them together."""
    parts = [
        {"Service": service, **_batch_part(found), "Ext": {**found.ext, "LocalEngine": local_engine(found)}}
        for service, found in examinations.items()
    ]
    return {"DataId": data_id, **_batch_part(merge(examinations.values())), "Results": parts}


def _batch_part(examination: Examination) -> dict[str, Any]:
    results = _results(strongest(examination.findings)) or [_nothing()]
    return {"RiskLevel": examination.risk_level, "Result": results}


def judged_frames(data_id: str, frames: Sequence[tuple[Examination, str]]) -> dict[str, Any]:
    """Describe what was found in each frame, which comes with its URL, and in all of them together."""
    described = [
        {
            "Result": [_frame_result(finding) for finding in found.findings] or [{"Label": NO_FINDING}],
            "TempUrl": url,
            **found.ext,
        }
        for found, url in frames
    ]
    return {
        **judged_image(data_id, merge(found for found, _ in frames)),
        "Frame": json.dumps(described, ensure_ascii=False, separators=(",", ":")),
        "FrameNum": len(described),
    }


def plain_results(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Describe findings the way results of posts do: without confidence and level."""
    return [{"Label": finding.label, "Description": finding.description} for finding in findings] or [_nothing()]


def local_engine(examination: Examination) -> dict[str, Any]:
    """Describe what the local engine checked, and what not."""
    return {
        "Checks": [_check(check) for check in examination.checks],
        "NotChecked": [_not_checked(check) for check in examination.not_checked],
    } | ({"Notes": list(examination.notes)} if examination.notes else {})


def no_auxiliary_information(info_types: Collection[str]) -> dict[str, Any]:
    """Describe that there is nothing of the requested info types, with the names of DescribeImageResultExt."""
    empty: dict[str, Any] = {
        "customImage": {"CustomImage": []},
        "publicFigure": {"PublicFigure": []},
        "textInImage": {"TextInImage": {"CustomTexts": [], "OcrDatas": [], "RiskWords": []}},
    }
    data: dict[str, Any] = {}
    for info_type in info_types:
        # The SDK knows no logos here.
        data |= empty.get(info_type, {})
    missing = NotChecked("auxiliary_information", "the local engine has no libraries, no OCR and no figure recognition")
    return data | {"LocalEngine": local_engine(Examination((), (), (missing,)))}


def _results(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Describe findings as most operations do."""
    return [
        {"Label": finding.label, "Confidence": finding.confidence, "Description": finding.description}
        for finding in findings
    ]


def _frame_result(finding: Finding) -> dict[str, Any]:
    """Describe a finding in one frame."""
    return {"Confidence": finding.confidence, "Label": finding.label}


def _nothing() -> dict[str, Any]:
    """Return the result for no finding."""
    return {"Label": NO_FINDING, "Description": "The local checks found nothing (local engine)"}


def _check(check: Check) -> dict[str, Any]:
    """Describe a check that ran."""
    return {"Name": check.name, "Package": check.package, **check.details}


def _not_checked(check: NotChecked) -> dict[str, Any]:
    """Describe a check that did not run."""
    return {"Name": check.name, "Reason": check.reason, "Install": check.install}


def _message_name(action: str) -> str:
    return _MESSAGE_NAMES.get(action, "Msg")


def _answer(status: int, request_id: str, body: Mapping[str, Any]) -> Response:
    """Put the request id into a body and its headers."""
    content = json.dumps({**body, "RequestId": request_id}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json;charset=utf-8", "x-acs-request-id": request_id}
    return Response(status, headers, content)
