"""What do the operations about libraries do? They list, make and change image and keyword libraries of the account.

Each takes a call and returns the body of its answer, in the shapes of the vendor's SDK alibabacloud-green20220926
1.13.5.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from moderate_cli.emulator import image_libraries
from moderate_cli.emulator.green import Call, Operation, Service
from moderate_cli.emulator.image_libraries import HeldImage, HeldLibrary, hash_of
from moderate_cli.emulator.keyword_libraries import Added, Word, WordLibrary
from moderate_cli.emulator.management_parameters import (
    MAX_COMMENT,
    MAX_NAME,
    NOT_FOUND,
    REFUSED,
    check_resource,
    in_words,
    is_descending,
    read_ids,
    read_json,
    read_page,
    read_switch,
    read_text,
    read_time,
)
from moderate_cli.emulator.messages import BodyError, OssError, Response
from moderate_cli.emulator.state import UPLOAD_BUCKET, is_same
from moderate_cli.emulator.upload_forms import UPLOAD_SECONDS, grant

if TYPE_CHECKING:
    from moderate_cli.emulator.messages import Request

IMAGES_PATH = "/library-images/"

_LINES = re.compile(r"\r?\n|\\n")
"""What parts keywords: a line break, or as in the example of the SDK for Go a backslash and an n, which no word has."""

_MAX_KEYWORDS_TEXT = 10_000_000  # characters; a limit of this emulator


def list_image_lib(service: Service, call: Call) -> Mapping[str, Any]:
    """Return the image libraries, and for a service whether it takes their images as harmless."""
    code = call.parameters.get("ServiceCode")
    config = service.account.service(code) if code else None
    found = [
        _image_library(library, is_exempt=service.account.is_exempt(library.id, config))
        for library in service.account.images.all.values()
    ]
    return {"LibList": found, "MaxLibCount": image_libraries.MAX_LIBRARIES}


def _image_library(library: HeldLibrary, *, is_exempt: bool) -> dict[str, Any]:
    return {
        "LibId": library.id,
        "LibName": library.name,
        "Comment": library.comment,
        "ImageNum": image_libraries.ImageLibraries.count_of(library),
        "FreeInspection": int(is_exempt),
        "GmtCreate": in_words(library.created_at),
        "GmtModified": in_words(library.modified_at),
    }


def create_image_lib(service: Service, call: Call) -> Mapping[str, Any]:
    """Make an image library."""
    library = service.account.images.create(*_name_and_comment(call))
    service.account.changed()
    return {"Data": {"LibId": library}}


def update_image_lib(service: Service, call: Call) -> Mapping[str, Any]:
    """Change the name and the comment of a library, and whether it is exempt for services that say nothing."""
    library = _image_library_of(service, call)
    exempt = read_switch(call.parameters, "FreeInspection")
    name, comment = _name_and_comment(call)
    library.name, library.comment = name, comment if "Comment" in call.parameters else library.comment
    library.is_exempt = library.is_exempt if exempt is None else exempt
    library.modified_at = service.state.clock()
    service.account.changed()
    return {"Data": True}


def _name_and_comment(call: Call) -> tuple[str, str]:
    name = read_text(call.parameters, "LibName", MAX_NAME)
    return name, read_text(call.parameters, "Comment", MAX_COMMENT, required=False)


def update_image_lib_free_inspection(service: Service, call: Call) -> Mapping[str, Any]:
    """Set which libraries a service takes as harmless: 1 for these, 0 for the others that are named."""
    config = service.account.service(read_text(call.parameters, "ServiceCode", MAX_NAME))
    given = read_json(call.parameters, "Config", dict[str, int])
    if not given:
        raise BodyError(REFUSED, "Config is empty")
    if not set(given.values()) <= {0, 1}:
        raise BodyError(REFUSED, "Config has values other than 0 and 1")
    service.account.images.check_all(given)
    config.exempt |= {library: bool(value) for library, value in given.items()}
    config.modified_at = service.state.clock()
    service.account.changed()
    return {"Data": True}


def list_images_from_lib(service: Service, call: Call) -> Mapping[str, Any]:
    """Return a page of the images of a library, the newest first."""
    library = _image_library_of(service, call)
    images: Sequence[HeldImage] = list(service.account.images.images(library.id).values())
    first, last = read_time(call.parameters, "StartDate"), read_time(call.parameters, "EndDate")
    # Answers tell whole seconds.
    if first is not None:
        images = [image for image in images if int(image.added_at) >= first]
    if last is not None:
        images = [image for image in images if int(image.added_at) <= last]
    if wanted := call.parameters.get("ImgId"):
        images = [image for image in images if image.entry.id == wanted]
    page = read_page(call.parameters)
    shown = page.of(images[::-1] if is_descending(call.parameters) else images)
    return {"Items": [_image(service, library.id, image) for image in shown], **page.described(len(images))}


def _image(service: Service, library: str, image: HeldImage) -> dict[str, Any]:
    address = image.entry.url or _address(service, library, image.entry.id)
    return {
        "ImageId": image.entry.id,
        "ImageUrl": address,
        "ThumbnailUrl": address,
        "GmtCreate": in_words(image.added_at),
    }


def _address(service: Service, library: str, image: str) -> str:
    path = f"{IMAGES_PATH}{quote(library, safe='')}/{quote(image, safe='')}"
    return f"{service.endpoint}{path}?Signature={_signature(service, path)}"


def _signature(service: Service, path: str) -> str:
    return hmac.new(service.account.secret, path.encode(), hashlib.sha256).hexdigest()


def show_library_image(service: Service, request: Request) -> Response:
    """Return an image of a library at the address that answers have of it; raises OssError."""
    sent = dict(request.query).get("Signature", "")
    if not is_same(sent, _signature(service, request.path)):
        raise OssError("AccessDenied", "The address of the image is not signed by this emulator.")
    library, _, image = request.path.removeprefix(IMAGES_PATH).partition("/")
    with service.account.lock:
        content = service.account.images.content(unquote(library), unquote(image))
    if content is None:
        raise OssError("NoSuchKey", "The specified key does not exist.", 404)
    return Response(200, {"Content-Type": "application/octet-stream"}, content)


def get_upload_info(service: Service, call: Call) -> Mapping[str, Any]:
    """Grant an upload of one file by the form of a browser to the emulated OSS."""
    check_resource(call.parameters)
    name = read_text(call.parameters, "Name", MAX_COMMENT, required=False)
    form = grant(service.state, name)
    return {
        "AccessId": form.access_key_id,
        "Policy": form.policy,
        "Signature": form.signature,
        "SecurityToken": form.security_token,
        "Host": f"{service.endpoint}/{UPLOAD_BUCKET}",
        "Folder": form.folder,
        "Key": form.key,
        "Name": name,
        "Expire": UPLOAD_SECONDS,
    }


def add_images_2lib(service: Service, call: Call) -> Mapping[str, Any]:
    """Add an uploaded image, named by its key, to a library."""
    library = read_text(call.parameters, "LibId", MAX_NAME)
    with service.account.lock:
        service.account.images.get(library)
    key = read_text(call.parameters, "ImgUrl", MAX_COMMENT)
    content = service.state.objects.get(UPLOAD_BUCKET, key)
    if content is None:
        # Whether the service takes an address is not documented; the SDK's example is a key.
        raise BodyError(NOT_FOUND, "ImgUrl is no key of an uploaded image; upload it with GetUploadInfo")
    hashed = hash_of(content)  # without the lock, since it takes a while
    with service.account.lock:
        image = service.account.images.add(library, content, hashed)
        service.account.changed()
    return {"Data": {"ImgId": image}}


def delete_images_from_lib(service: Service, call: Call) -> Mapping[str, Any]:
    """Remove images from a library."""
    library = _image_library_of(service, call)
    service.account.images.remove(library.id, read_ids(call.parameters, "ImageIds"))
    service.account.changed()
    return {"Data": True}


def _image_library_of(service: Service, call: Call) -> HeldLibrary:
    return service.account.images.get(read_text(call.parameters, "LibId", MAX_NAME))


def list_keyword_libs(service: Service, _call: Call) -> Mapping[str, Any]:
    """Return the keyword libraries."""
    return {"Data": [_keyword_library(service, library) for library in service.account.words.all.values()]}


def get_keyword_lib(service: Service, call: Call) -> Mapping[str, Any]:
    """Return one keyword library."""
    return {"Data": _keyword_library(service, _keyword_library_of(service, call))}


def _keyword_library(service: Service, library: WordLibrary) -> dict[str, Any]:
    return {
        "LibId": library.id,
        "LibName": library.name,
        "KeywordCount": str(len(library.words)),
        "ServiceCodes": ",".join(service.account.using(library.id)),
        "PreprocessList": library.preprocessing,
        "GmtModified": in_words(library.modified_at),
        "Uid": service.account_id,
    }


def add_keyword_lib(service: Service, call: Call) -> Mapping[str, Any]:
    """Make a keyword library, with words or without."""
    name = read_text(call.parameters, "LibName", MAX_NAME)
    return _imported(service, call, partial(service.account.words.create, name))


def add_keywords(service: Service, call: Call) -> Mapping[str, Any]:
    """Add words to a keyword library."""
    library = _keyword_library_of(service, call)
    if not call.parameters.get("Keywords") and not call.parameters.get("KeywordsObject"):
        raise BodyError(REFUSED, "Keywords is empty")
    return _imported(service, call, partial(service.account.words.add, library.id))


def _imported(service: Service, call: Call, work: partial[Added]) -> Mapping[str, Any]:
    """Return what became of words: at once, or by the id of a task where they are those of an uploaded file."""
    key = call.parameters.get("KeywordsObject", "")
    text = _file_of(service, key) if key else call.parameters.get("Keywords", "")
    if len(text) > _MAX_KEYWORDS_TEXT:
        raise BodyError(REFUSED, f"Keywords has more than {_MAX_KEYWORDS_TEXT} characters")
    added = work([line for line in _LINES.split(text) if line.strip()])
    service.account.changed()
    more = {"TaskId": service.account.words.remember(added)} if key else {"KeywordsResult": added.described()}
    return {"Data": {"LibId": added.library, **more}}


def _file_of(service: Service, key: str) -> str:
    content = service.state.objects.get(UPLOAD_BUCKET, key)
    if content is None:
        raise BodyError(NOT_FOUND, "KeywordsObject is no key of an uploaded file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BodyError(REFUSED, "the file of keywords is not UTF-8") from None


def get_keyword_import_result(service: Service, call: Call) -> Mapping[str, Any]:
    """Return what became of the words of a file."""
    return {"Data": service.account.words.result(read_text(call.parameters, "TaskId", MAX_NAME)).described()}


def update_keyword_lib(service: Service, call: Call) -> Mapping[str, Any]:
    """Give a keyword library another name."""
    library = _keyword_library_of(service, call)
    service.account.words.rename(library.id, read_text(call.parameters, "LibName", MAX_NAME))
    service.account.changed()
    return {"Data": True}


def delete_keyword_lib(service: Service, call: Call) -> Mapping[str, Any]:
    """Delete a keyword library that no service uses; what the service does with one in use is not documented."""
    library = _keyword_library_of(service, call)
    users = list(service.account.using(library.id))
    if users:
        raise BodyError(REFUSED, f"the library {library.id} is used by {', '.join(users[:3])}")
    service.account.words.delete(library.id)
    service.account.unbind(library.id)
    service.account.changed()
    return {"Data": True}


def list_keywords(service: Service, call: Call) -> Mapping[str, Any]:
    """Return a page of the words of a library, the newest first, or of those in which a text stands."""
    library = _keyword_library_of(service, call)
    words = library.having(call.parameters.get("Word", ""))
    page = read_page(call.parameters)
    shown = page.of(words[::-1] if is_descending(call.parameters) else words)
    return {"Data": {"Items": [_keyword(library.id, word) for word in shown], **page.described(len(words))}}


def _keyword(library: str, word: Word) -> dict[str, Any]:
    return {
        "Id": word.id,
        "KeywordMd5Id": word.md5_id,
        "KeywordLibId": library,
        "Word": word.text,
        "GmtCreate": in_words(word.added_at),
        "GmtModified": in_words(word.added_at),
    }


def delete_keyword(service: Service, call: Call) -> Mapping[str, Any]:
    """Remove words from a library; which of its two ids the service takes is not documented, so both are good."""
    library = _keyword_library_of(service, call)
    service.account.words.remove(library.id, read_ids(call.parameters, "KeywordIds", "KeywordIdList"))
    service.account.changed()
    return {"Data": True}


def export_keyword(service: Service, call: Call) -> Mapping[str, Any]:
    """Return all words of a library, one a line; the SDK only says that the answer is a text."""
    return {"Data": "\n".join(_keyword_library_of(service, call).words)}


def _keyword_library_of(service: Service, call: Call) -> WordLibrary:
    return service.account.words.get(read_text(call.parameters, "LibId", MAX_NAME))


OPERATIONS: Mapping[str, Operation] = {
    "AddKeywordLib": add_keyword_lib,
    "AddKeywords": add_keywords,
    "AddKeywordsToLib": add_keywords,
    "CreateImageLib": create_image_lib,
    "DeleteImagesFromLib": delete_images_from_lib,
    "DeleteKeyword": delete_keyword,
    "DeleteKeywordLib": delete_keyword_lib,
    "ExportKeyword": export_keyword,
    "GetKeywordImportResult": get_keyword_import_result,
    "GetKeywordLib": get_keyword_lib,
    "GetUploadInfo": get_upload_info,
    "ListImageLib": list_image_lib,
    "ListImagesFromLib": list_images_from_lib,
    "ListKeywordLibs": list_keyword_libs,
    "ListKeywords": list_keywords,
    "UpdateImageLib": update_image_lib,
    "UpdateImageLibFreeInspection": update_image_lib_free_inspection,
    "UpdateKeywordLib": update_keyword_lib,
}

UNLOCKED: Mapping[str, Operation] = {"AddImages2Lib": add_images_2lib}
"""Operations that take the lock of the account themselves."""
