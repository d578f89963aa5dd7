"""What do the operations about services do? Lists, copies and names them, and reads and changes their configuration.

Each takes a call and returns the body of its answer. The shapes are those of the vendor's SDK
alibabacloud-green20220926 1.13.5; what the SDK calls a map is kept as it comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moderate_cli.emulator.account import Account, ServiceConfig, scene_of
from moderate_cli.emulator.green import Call, Operation, Service
from moderate_cli.emulator.management_parameters import (
    MAX_COMMENT,
    MAX_NAME,
    REFUSED,
    RESOURCE,
    check_resource,
    in_words,
    read_json,
    read_switch,
    read_text,
)
from moderate_cli.emulator.messages import BodyError

BOUGHT = "lvwang_public_cn"
"""The commodity that every account has bought: the SDK's example, of the vendor's site in China."""

_IN_USE = "in"  # the SDK's example of UseStatus
_KIND = "plus"  # and of ServiceType
_OPAQUE = ("ManualMachineConfig",)  # what is kept and answered besides scenes
_FOREIGN = ("FileConfig", "VideoConfig")  # of other products
_CHANGES = ("SceneConfig", "ServiceConfig", "KeywordFilterLibs", "KeywordHitLibs", "KeywordLibProcessConf", *_OPAQUE)


def list_service_configs(service: Service, call: Call) -> Mapping[str, Any]:
    """Return all services, copies among them."""
    check_resource(call.parameters)
    status = call.parameters.get("UseStatus", _IN_USE)
    found = [_listed(service, one) for one in service.account.services.values()] if status == _IN_USE else []
    return {"Data": found}


def _listed(service: Service, config: ServiceConfig) -> dict[str, Any]:
    described = _described(service, config) | {
        "ServiceName": config.name,
        "ServiceDesc": config.description,
        "ServiceType": _KIND,
        "UseStatus": _IN_USE,
        "CustomServiceConf": _libraries(config),
        "Option": {},
    }
    return described | ({"CopyFrom": config.copy_of} if config.copy_of else {})


def _described(service: Service, config: ServiceConfig) -> dict[str, Any]:
    return {
        "ServiceCode": config.code,
        "ResourceType": RESOURCE,
        "GmtModified": in_words(config.modified_at),
        "Uid": service.account_id,
    }


def _libraries(config: ServiceConfig) -> dict[str, Any]:
    return {"KeywordFilterLibs": config.ignored, "KeywordHitLibs": config.flagged, "SimilarTextHitLibs": []}


def get_service_config(service: Service, call: Call) -> Mapping[str, Any]:
    """Return the keyword libraries that a service ignores and flags."""
    config = _config(service.account, call)
    return {"Data": {**_described(service, config), "CustomServiceConf": {**_libraries(config), **config.opaque}}}


def get_service_conf(service: Service, call: Call) -> Mapping[str, Any]:
    """Return the configuration of a scene as it was put, or the default one; without a scene that of the service."""
    config = _config(service.account, call)
    scene = call.parameters.get("Scene", "")
    by_default = read_switch(call.parameters, "ByDefault") or False
    found = service.account.scene(config, scene, by_default=by_default)
    more = {"ServiceType": _KIND, "Option": {}, "CustomServiceConf": found}
    return {**_described(service, config), **more}


def get_image_scene_label_list_conf(service: Service, call: Call) -> Mapping[str, Any]:
    """Return the labels of a service by scene; the SDK has no shape for them, and this is ours."""
    code = read_text(call.parameters, "ImageServiceCode", MAX_NAME)
    scenes: dict[str, list[dict[str, str]]] = {}
    for label, meaning in service.account.labels_of(service.account.service(code)).items():
        scenes.setdefault(scene_of(label), []).append({"Label": label, "Description": meaning})
    return {"Data": [{"Scene": scene, "Labels": found} for scene, found in scenes.items()]}


def update_service_config(service: Service, call: Call) -> Mapping[str, Any]:
    """Change what is given; with DryRun only see whether that is possible."""
    account, config, parameters = service.account, _config(service.account, call), call.parameters
    for name in _FOREIGN:
        if parameters.get(name):
            raise BodyError(REFUSED, f"the emulator has no {name}, which is not for images")
    if not any(name in parameters for name in _CHANGES):
        raise BodyError(REFUSED, f"there is nothing to change: give one of {', '.join(_CHANGES)}")
    scenes, scope = _scenes(account, config, parameters)
    ignored = _read_libraries(account, parameters, "KeywordFilterLibs")
    flagged = _read_libraries(account, parameters, "KeywordHitLibs")
    preprocessing = read_json(parameters, "KeywordLibProcessConf", dict[str, list[str]])
    account.words.check_all(preprocessing or ())
    opaque = {name: read_json(parameters, name, dict[str, Any]) for name in _OPAQUE if name in parameters}
    if read_switch(parameters, "DryRun"):
        return {"Data": True}
    config.scenes |= scenes
    config.opaque |= opaque
    if scope is not None:
        config.put_scope(parameters["Scene"], scope)
    config.ignored = config.ignored if ignored is None else ignored
    config.flagged = config.flagged if flagged is None else flagged
    _preprocess(account, preprocessing)
    _touch(service, config)
    return {"Data": True}


def _scenes(account: Account, config: ServiceConfig, parameters: Mapping[str, str]) -> tuple[dict[str, Any], Any]:
    """Return the configurations that are to be kept by scene, and our part of that of a scene."""
    scenes: dict[str, Any] = {}
    scope = None
    scene_config = read_json(parameters, "SceneConfig", dict[str, Any])
    if scene_config is not None:
        scene = read_text(parameters, "Scene", MAX_NAME)
        scope = account.read_scene(config, scene, scene_config)
        scenes[scene] = scene_config
    service_config = read_json(parameters, "ServiceConfig", dict[str, Any])
    if service_config is not None:
        scenes[""] = service_config
    return scenes, scope


def _read_libraries(account: Account, parameters: Mapping[str, str], name: str) -> list[str] | None:
    found: list[str] | None = read_json(parameters, name, list[str])
    account.words.check_all(found or ())
    return None if found is None else list(dict.fromkeys(found))


def _preprocess(account: Account, given: Mapping[str, list[str]] | None) -> None:
    """Set how libraries are preprocessed: an empty map clears all of that, an empty list that of its library."""
    if given == {}:
        for library in account.words.all.values():
            library.preprocessing = []
    for name, kinds in (given or {}).items():
        account.words.get(name).preprocessing = kinds


def copy_service_config(service: Service, call: Call) -> Mapping[str, Any]:
    """Copy a service; the answer does not tell the code of the copy."""
    config = _config(service.account, call)
    name, description = _title(call)
    service.account.copy(config.code, name, description)
    service.account.changed()
    return {"Data": True}


def modify_service_info(service: Service, call: Call) -> Mapping[str, Any]:
    """Give a service another name and description."""
    config = _config(service.account, call)
    config.name, config.description = _title(call)
    _touch(service, config)
    return {"Data": True}


def _title(call: Call) -> tuple[str, str]:
    name = read_text(call.parameters, "ServiceName", MAX_NAME)
    return name, read_text(call.parameters, "ServiceDesc", MAX_COMMENT, required=False)


def _config(account: Account, call: Call) -> ServiceConfig:
    check_resource(call.parameters)
    return account.service(read_text(call.parameters, "ServiceCode", MAX_NAME))


def _touch(service: Service, config: ServiceConfig) -> None:
    config.modified_at = service.state.clock()
    service.account.changed()


def get_user_buy_status(_service: Service, call: Call) -> Mapping[str, Any]:
    """Tell whether a commodity was bought."""
    bought = read_text(call.parameters, "CommodityCode", MAX_NAME) == BOUGHT
    status: dict[str, Any] = {"Buy": bought, "Indebt": False}
    return {"Data": status | ({"InstanceId": "local-emulator"} if bought else {})}


OPERATIONS: Mapping[str, Operation] = {
    "CopyServiceConfig": copy_service_config,
    "GetImageSceneLabelListConf": get_image_scene_label_list_conf,
    "GetServiceConf": get_service_conf,
    "GetServiceConfig": get_service_config,
    "GetUserBuyStatus": get_user_buy_status,
    "ListServiceConfigs": list_service_configs,
    "ModifyServiceInfo": modify_service_info,
    "UpdateServiceConfig": update_service_config,
}
