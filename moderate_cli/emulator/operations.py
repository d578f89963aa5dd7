"""The operations of the Green API; each takes a call and returns the Data of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moderate_cli.emulator import answers
from moderate_cli.emulator.engine import Examination
from moderate_cli.emulator.faults import BodyError
from moderate_cli.emulator.images import read_image
from moderate_cli.emulator.judging import examine, require_checks
from moderate_cli.emulator.parameters import (
    INFO_TYPES,
    ImageParameters,
    read_image_parameters,
    read_info_types,
    read_services,
    require,
)
from moderate_cli.emulator.queued import (
    describe_image_moderation_result,
    describe_multimodal_moderation_result,
    image_async_moderation,
    multimodal_async_moderation,
)
from moderate_cli.emulator.rules import forced
from moderate_cli.emulator.service import Call, Service

Operation = Callable[[Service, Call], Mapping[str, Any]]


def image_moderation(service: Service, call: Call) -> Mapping[str, Any]:
    """Judge one image with the local engine, which looks for the same whatever moderation service is asked for."""
    image = read_image_parameters(call.parameters)
    name = call.parameters["Service"]
    examination = _examined(service, image, [name])[name]
    service.state.remember_request(call.request_id)
    return answers.judged_image(image.data_id, examination)


def image_batch_moderation(service: Service, call: Call) -> Mapping[str, Any]:
    """Judge one image for several moderation services; the local engine looks at it once, and answers for all."""
    names = read_services(call.parameters)
    image = read_image_parameters(call.parameters)
    return answers.judged_batch(image.data_id, _examined(service, image, names))


def describe_image_result_ext(service: Service, call: Call) -> Mapping[str, Any]:
    """Tell the auxiliary information of an earlier ImageModeration, of which the local engine has none."""
    request_id = require(call.parameters, "ReqId")
    info_types = read_info_types(call.parameters.get("InfoType", ""))
    if not service.state.is_judged_request(request_id):
        # What the service answers here is not documented; "a parameter is incorrect" fits best.
        raise BodyError(401, "there is no ImageModeration with this RequestId")
    return answers.no_auxiliary_information(info_types or INFO_TYPES)


def describe_upload_token(service: Service, _call: Call) -> Mapping[str, Any]:
    """Grant an upload to the emulated OSS."""
    return answers.upload_token(service.state.issue_upload_token(), service.endpoint)


OPERATIONS: Mapping[str, Operation] = {
    "DescribeImageModerationResult": describe_image_moderation_result,
    "DescribeImageResultExt": describe_image_result_ext,
    "DescribeMultimodalModerationResult": describe_multimodal_moderation_result,
    "DescribeUploadToken": describe_upload_token,
    "ImageAsyncModeration": image_async_moderation,
    "ImageBatchModeration": image_batch_moderation,
    "ImageModeration": image_moderation,
    "MultimodalAsyncModeration": multimodal_async_moderation,
}


def _examined(service: Service, image: ImageParameters, names: list[str]) -> dict[str, Examination]:
    """Fetch an image, and judge it for each moderation service: by a rule, or by one look for all the others."""
    require_checks(service.engine, service.image_rules)
    content = read_image(image, service.state.objects)
    laid_down = {name: forced(service.image_rules, image, content, name) for name in names}
    seen = examine(service.engine, content) if None in laid_down.values() else None
    return {name: found for name, by_rule in laid_down.items() if (found := by_rule or seen)}
