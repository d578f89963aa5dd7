"""The vendor's own SDK and oss2 use the emulator as if it were the service."""

import io
import json
import time
import urllib.request

import numpy as np
import oss2
import pytest
import zxingcpp
from alibabacloud_green20220302 import models
from alibabacloud_green20220302.client import Client
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils_models import Config
from PIL import Image
from rule_builders import flagging

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
    request = models.ImageBatchModerationRequest(service="a,b", service_parameters='{"imageUrl": "ftp://x/a b*~图"}')
    reply = sdk(emulator, emulator.access_key).image_batch_moderation(request)
    # The signature is right; it is the service that refuses the URL.
    assert (reply.status_code, reply.body.code, reply.body.data) == (200, 401, None)


# ------------------------------------------------------------------------------------------- all eight operations


def asked(service, parameters, kind):
    return getattr(models, kind)(service=service, service_parameters=json.dumps(parameters, ensure_ascii=False))


def uploaded(client, content, name="image.png"):
    bucket, key = upload(client, content, name)
    return {"ossBucketName": bucket, "ossObjectName": key}


def polled(describe, request):
    """Ask for a result; the first answer says that there is none yet."""
    first = describe(request)
    assert (first.body.code, first.body.data) == (280, None)
    for _ in range(500):
        reply = describe(request)
        if reply.body.code != 280:
            return reply
        time.sleep(0.02)
    raise AssertionError("the task does not end")


def animation():
    code = Image.open(io.BytesIO(png(with_code=True))).convert("RGB")
    frames = [Image.new("RGB", code.size, "green"), code, Image.new("RGB", code.size, "red")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def use_upload_token(client):
    token = client.describe_upload_token().body.data
    assert token.file_name_prefix.endswith("/")
    assert token.expiration > time.time()


def use_sync(client):
    data = moderate(client, **uploaded(client, png(with_code=True))).body.data
    assert (data.risk_level, data.result[0].label) == ("high", "QRCode")


def use_batch(client):
    parameters = uploaded(client, png(with_code=True)) | {"dataId": "b-1"}
    request = asked("baselineCheck,tonalityImprove", parameters, "ImageBatchModerationRequest")
    data = client.image_batch_moderation(request).body.data
    assert (data.data_id, data.risk_level, data.result[0].label) == ("b-1", "high", "QRCode")
    assert [(part.service, part.risk_level, part.result[0].confidence) for part in data.results] == [
        ("baselineCheck", "high", 100.0),
        ("tonalityImprove", "high", 100.0),
    ]


def use_async(client):
    parameters = uploaded(client, animation(), "cat.gif") | {"dataId": "a-1", "interval": 1, "maxFrameNum": 10}
    request = asked("baselineCheck_global", parameters, "ImageAsyncModerationRequest")
    submitted = client.image_async_moderation(request).body
    assert (submitted.code, submitted.data.data_id) == (200, "a-1")
    question = models.DescribeImageModerationResultRequest(req_id=submitted.data.req_id)
    data = polled(client.describe_image_moderation_result, question).body.data
    assert (data.data_id, data.risk_level, data.result[0].label, data.frame_num) == ("a-1", "high", "QRCode", 3)
    frames = json.loads(data.frame)
    assert [frame["Result"][0]["Label"] for frame in frames] == ["nonLabel", "QRCode", "nonLabel"]
    with urllib.request.urlopen(frames[1]["TempUrl"]) as picture:
        assert Image.open(picture).size == Image.open(io.BytesIO(animation())).size


def use_multimodal(client):
    image = uploaded(client, png(with_code=True))
    post = {
        "dataId": "m-1",
        "mainData": {"mainTitle": "title", "mainContent": "text", "mainImages": [image]},
        "commentDatas": [{"content": "CASINO night", "commentDatas": [{"content": "图", "images": [image]}]}],
    }
    request = asked("post_text_image_detection", post, "MultimodalAsyncModerationRequest")
    submitted = client.multimodal_async_moderation(request).body
    assert (submitted.code, submitted.data.data_id) == (200, "m-1")
    question = models.DescribeMultimodalModerationResultRequest(req_id=submitted.data.req_id)
    data = polled(client.describe_multimodal_moderation_result, question).body.data
    assert (data.data_id, data.risk_level) == ("m-1", "high")
    (comment,) = data.comment_datas
    (answer,) = comment.comment_datas
    parts = [data.main_data, comment, answer]
    assert [[result.label for result in part.results] for part in parts] == [["QRCode"], ["ad_gambling"], ["QRCode"]]


def use_result_ext(client):
    request_id = moderate(client, **uploaded(client, png(with_code=False))).body.request_id
    request = models.DescribeImageResultExtRequest(req_id=request_id, info_type="customImage,textInImage,publicFigure")
    data = client.describe_image_result_ext(request).body.data
    assert (data.custom_image, data.public_figure) == ([], [])
    assert (data.text_in_image.custom_texts, data.text_in_image.risk_words) == ([], [])


@pytest.mark.parametrize(
    "use",
    [use_upload_token, use_sync, use_batch, use_async, use_multimodal, use_result_ext],
    ids=lambda use: use.__name__.removeprefix("use_"),
)
@pytest.mark.parametrize("kind", ["permanent", "temporary"])
def test_every_operation(kind, use):
    temporary = AccessKey("STS.example", "example-secret", "example-token")
    with Emulator(polls_before_result=1, rules=flagging({"casino": "ad_gambling"})) as emulator:
        emulator.add_key(temporary)
        use(sdk(emulator, emulator.access_key if kind == "permanent" else temporary))
