"""The bodies that the emulated Green API answers with."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from moderate_cli.emulator.messages import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moderate_cli.emulator.engine import Check, Examination, NotChecked
    from moderate_cli.emulator.faults import BodyError, GatewayError
    from moderate_cli.emulator.keys import UploadToken


def success(data: Mapping[str, Any]) -> Response:
    """Answer a call that was carried out."""
    return _answer(200, {"Code": 200, "Msg": "success", "Data": data})


def body_error(error: BodyError) -> Response:
    """Answer a call that the moderation service refuses: the HTTP status is 200 all the same."""
    return _answer(200, {"Code": error.code, "Msg": error.message})


def gateway_error(error: GatewayError, host: str) -> Response:
    """Answer a call that the gateway refuses."""
    body = {"Code": error.code, "Message": error.message, "HostId": host, "Recommend": ""}
    return _answer(error.status, body)


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
    """Describe what the local engine found, and what it did and did not look for."""
    findings = [
        {
            "Label": finding.label,
            "Confidence": finding.confidence,
            "Description": finding.description,
            "RiskLevel": finding.risk_level,
        }
        for finding in examination.findings
    ]
    nothing = {"Label": "nonLabel", "Description": "The local checks found nothing (local engine)"}
    checks = {
        "Checks": [_check(check) for check in examination.checks],
        "NotChecked": [_not_checked(check) for check in examination.not_checked],
    }
    return {
        "DataId": data_id,
        "RiskLevel": examination.risk_level,
        "Result": findings or [nothing],
        "Ext": {"LocalEngine": checks},
    }


def _check(check: Check) -> dict[str, Any]:
    """Describe a check that ran."""
    return {"Name": check.name, "Package": check.package, **check.details}


def _not_checked(check: NotChecked) -> dict[str, Any]:
    """Describe a check that did not run."""
    return {"Name": check.name, "Reason": check.reason, "Install": check.install}


def _answer(status: int, body: Mapping[str, Any]) -> Response:
    """Put a new request id into a body and its headers."""
    request_id = str(uuid.uuid4()).upper()
    content = json.dumps({**body, "RequestId": request_id}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json;charset=utf-8", "x-acs-request-id": request_id}
    return Response(status, headers, content)
