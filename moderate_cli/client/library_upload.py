"""How does an image come into the bucket from which a library takes it? By a form with a grant of GetUploadInfo.

The moderation operations have another bucket with temporary credentials, see `upload.py`. Form fields: OSS's page on
PostObject (read 2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from moderate_cli.client.responses import UnreadableResponseError, field_of, xml_error
from moderate_cli.client.upload import SLOWEST, check_oss_endpoint, refused_upload
from moderate_cli.common.masking import Secrets, mask_text, repr_without
from moderate_cli.models import Json

if TYPE_CHECKING:
    from moderate_cli.client.transport import Transport

_STORED = frozenset({200, 201, 204})  # OSS answers with 204 unless the form asks for another


class UploadGrant(Struct, frozen=True):
    """Leave to put one object into a bucket, for some minutes; `repr` hides the secrets."""

    access_id: str
    policy: str
    signature: str
    security_token: str | None
    address: str
    key: str

    def __repr__(self) -> str:
        return repr_without(self, "policy", "signature", "security_token")

    @classmethod
    def read(cls, body: Json, secrets: Secrets) -> UploadGrant:
        """Return the grant in a body, which has no Data, and add its secrets to those that nothing may repeat.

        Raises UnreadableResponseError if a field is missing, and ServiceError for an address that is not OSS's.
        """

        def text(name: str) -> str:
            value = field_of(body, name)
            if not isinstance(value, str) or not value:
                raise UnreadableResponseError(f"the upload grant lacks a usable {name}")
            return value

        policy, signature = text("Policy"), text("Signature")
        security_token = text("SecurityToken") if field_of(body, "SecurityToken") else None
        secrets.add(policy, signature, security_token)
        return cls(
            access_id=text("AccessId"),
            policy=policy,
            signature=signature,
            security_token=security_token,
            address=_address(mask_text(text("Host"), secrets.known)),
            key=mask_text(text("Key"), secrets.known),
        )

    def post(self, transport: Transport, content: bytes, *, read_timeout: float) -> None:
        """Send an image; raises ServiceError unless OSS says that it is stored."""
        fields = {
            "key": self.key,
            "OSSAccessKeyId": self.access_id,
            "policy": self.policy,
            "Signature": self.signature,
        }
        if self.security_token is not None:
            fields["x-oss-security-token"] = self.security_token
        seconds = read_timeout + len(content) / SLOWEST
        name = self.key.rpartition("/")[2]
        response = transport.post_form(self.address, fields, content, name=name, seconds=seconds)
        if response.status not in _STORED:
            place = urlsplit(self.address).hostname or ""
            raise refused_upload(response.status, xml_error(response.body), place, transport.secrets.known)


def _address(host: str) -> str:
    """Return where the form is sent: an endpoint of OSS or this machine, with a path where the bucket is in the path.

    Raises ServiceError for any other, so that a forged response cannot direct users' images elsewhere.
    """
    scheme, separator, rest = host.rpartition("://")
    authority, slash, path = rest.partition("/")
    return f"{check_oss_endpoint(f'{scheme}{separator}{authority}')}/{path if slash else ''}"
