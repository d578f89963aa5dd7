"""An account on an emulator, driven by the vendor's SDK for the management API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import requests
from alibabacloud_green20220926 import models
from alibabacloud_green20220926.client import Client
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils_models import Config

from moderate_cli.emulator import Emulator

SERVICE = "baselineCheck_global"


@dataclass
class Refused(Exception):  # noqa: N818
    """An answer with a code that is not 200."""

    code: int
    message: str


class Manager:
    """Calls operations by the names of the SDK's methods, and returns the bodies that it reads."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        key = emulator.access_key
        self.client = Client(
            Config(
                endpoint=emulator.endpoint.removeprefix("http://"),
                protocol="http",
                access_key_id=key.access_key_id,
                access_key_secret=key.access_key_secret,
            )
        )

    def call(self, operation: str, **parameters: Any) -> Any:
        """Return the body of an answer; raises Refused."""
        kind = "".join(part.capitalize() for part in operation.split("_")).replace("2lib", "2Lib")
        request = getattr(models, f"{kind}Request")(region_id="ap-southeast-1", **parameters)
        try:
            body = getattr(self.client, operation)(request).body
        except ClientException as error:
            raise Refused(error.status_code, error.message) from error
        if getattr(body, "code", None) not in (None, 200):
            raise Refused(body.code, body.msg)
        return body

    def add(self, library: str, content: bytes, name: str = "photo.png") -> str:
        """Upload an image as the console does, add it to a library, and return its id."""
        grant = self.call("get_upload_info", name=name, resource_type="image")
        assert self.post(grant, content).status_code == 204
        return self.call("add_images_2lib", lib_id=library, img_url=grant.key).data.img_id

    def post(self, grant: Any, content: bytes, **changed: Any) -> requests.Response:
        """Send the form that a grant allows."""
        fields = {
            "key": grant.key,
            "OSSAccessKeyId": grant.access_id,
            "policy": grant.policy,
            "Signature": grant.signature,
            "x-oss-security-token": grant.security_token,
        } | changed
        return requests.post(grant.host, data=fields, files={"file": ("photo", content)}, timeout=10)

    def services(self) -> dict[str, Any]:
        """Return the services by code."""
        data = self.call("list_service_configs", resource_type="image", use_status="in").data
        return {service.service_code: service for service in data}

    def image_libraries(self, service: str | None = None) -> dict[str, Any]:
        """Return the image libraries by name."""
        return {library.lib_name: library for library in self.call("list_image_lib", service_code=service).lib_list}

    def keyword_libraries(self) -> dict[str, Any]:
        """Return the keyword libraries by name."""
        return {library.lib_name: library for library in self.call("list_keyword_libs").data}

    def words(self, library: str, **parameters: Any) -> dict[str, int]:
        """Return the words of the first 1,000 of a library, with their ids."""
        found = self.call("list_keywords", lib_id=library, page_size=1000, **parameters).data.items
        return {keyword.word: keyword.id for keyword in found}

    def update(self, service: str = SERVICE, **changed: Any) -> bool:
        """Change the configuration of a service; lists and maps are sent as JSON."""
        values = {
            name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in changed.items()
        }
        return self.call("update_service_config", service_code=service, resource_type="image", **values).data

    def scene(self, scene: str, service: str = SERVICE, **more: Any) -> dict[str, Any]:
        """Return the configuration of a scene."""
        body = self.call("get_service_conf", service_code=service, resource_type="image", scene=scene, **more)
        return body.custom_service_conf

    def results(self, query: dict[str, str] | None = None, **parameters: Any) -> Any:
        """Return the Data of a search of results."""
        return self.call("get_scan_result", resource_type="image", query=query, **parameters).data
