"""The vendor's own SDK and oss2 use the emulator as if it were the service."""

import io
import json

import numpy as np
import oss2
import pytest
import zxingcpp
from alibabacloud_green20220302 import models
from alibabacloud_green20220302.client import Client
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils_models import Config
from PIL import Image

from moderate_cli.emulator import AccessKey, Emulator

# From Python 3.12 on: the SDK dates its requests with datetime.utcnow().
pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning:alibabacloud_tea_openapi")


@pytest.fixture
def emulator(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Emulator() as running:
        yield running


@pytest.fixture
def temporary_key(emulator):
    key = AccessKey("STS.example", "example-secret", "example-token")
    emulator.add_key(key)
    return key


def sdk(emulator, key):
    return Client(
        Config(
            endpoint=emulator.endpoint.removeprefix("http://"),
            protocol="http",
            access_key_id=key.access_key_id,
            access_key_secret=key.access_key_secret,
            security_token=key.security_token,
        )
    )


def png(with_code):
    barcode = zxingcpp.create_barcode("https://example.com", zxingcpp.BarcodeFormat.QRCode)
    code = Image.fromarray(np.array(zxingcpp.write_barcode_to_image(barcode, scale=5)))
    file = io.BytesIO()
    (code if with_code else Image.new("RGB", code.size, "green")).save(file, "PNG")
    return file.getvalue()


def upload(client, content, name):
    """Upload the way the vendor's samples do, and return the bucket and the full key."""
    token = client.describe_upload_token().body.data
    auth = oss2.StsAuth(token.access_key_id, token.access_key_secret, token.security_token)
    session = oss2.Session()
    bucket = oss2.Bucket(auth, token.oss_internet_end_point, token.bucket_name, session=session)
    key = token.file_name_prefix + name
    assert bucket.put_object(key, content).status == 200
    session.session.close()
    return token.bucket_name, key


def moderate(client, **parameters):
    request = models.ImageModerationRequest(
        service="baselineCheck_global", service_parameters=json.dumps(parameters, ensure_ascii=False)
    )
    return client.image_moderation(request)


@pytest.mark.parametrize("name", ["poster.png", "my poster +1 ü.png"])
@pytest.mark.parametrize("kind", ["permanent", "temporary"])
def test_an_uploaded_image_is_judged(emulator, temporary_key, kind, name):
    client = sdk(emulator, emulator.access_key if kind == "permanent" else temporary_key)
    bucket, key = upload(client, png(with_code=True), name)
    reply = moderate(client, ossBucketName=bucket, ossObjectName=key, dataId="poster-1")
    assert (reply.status_code, reply.body.code, reply.body.msg) == (200, 200, "success")
    assert (reply.body.data.data_id, reply.body.data.risk_level) == ("poster-1", "high")
    (result,) = reply.body.data.result
    assert (result.label, result.confidence, result.risk_level) == ("QRCode", 100.0, "high")


def test_an_image_without_findings(emulator):
    client = sdk(emulator, emulator.access_key)
    bucket, key = upload(client, png(with_code=False), "green.png")
    data = moderate(client, ossBucketName=bucket, ossObjectName=key).body.data
    assert data.risk_level == "none"
    assert [(result.label, result.confidence) for result in data.result] == [("nonLabel", None)]


def test_a_code_inside_the_body(emulator):
    reply = moderate(sdk(emulator, emulator.access_key), ossBucketName="bucket", ossObjectName="gone.png")
    assert (reply.status_code, reply.body.code, reply.body.data) == (200, 404, None)


@pytest.mark.parametrize("name", ["permanent", "temporary"])
def test_a_wrong_secret(emulator, temporary_key, name):
    key = emulator.access_key if name == "permanent" else temporary_key
    client = sdk(emulator, AccessKey(key.access_key_id, "wrong", key.security_token))
    with pytest.raises(ClientException) as caught:
        client.describe_upload_token()
    assert (caught.value.status_code, caught.value.code) == (400, "SignatureDoesNotMatch")
    assert "server StringToSign is [ACS3-HMAC-SHA256 " in caught.value.message


def test_a_wrong_security_token(emulator, temporary_key):
    client = sdk(emulator, AccessKey(temporary_key.access_key_id, temporary_key.access_key_secret, "other"))
    with pytest.raises(ClientException) as caught:
        client.describe_upload_token()
    assert caught.value.code == "InvalidSecurityToken.MismatchWithAccessKey"


def test_an_operation_that_signs_its_query(emulator):
    request = models.ImageBatchModerationRequest(service="a,b", service_parameters='{"imageUrl": "http://x/a b*~图"}')
    with pytest.raises(ClientException) as caught:
        sdk(emulator, emulator.access_key).image_batch_moderation(request)
    # The signature is right; the operation itself is not emulated.
    assert (caught.value.status_code, caught.value.code) == (404, "InvalidAction.NotFound")
