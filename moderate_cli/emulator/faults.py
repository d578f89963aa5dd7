"""The ways in which the emulated services refuse a request."""

from __future__ import annotations


class GatewayError(Exception):
    """The API gateway refuses a call: an HTTP error status and a named code."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class BodyError(Exception):
    """The moderation service refuses a call: HTTP 200, and a number in the body's Code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class OssError(Exception):
    """OSS refuses a request: an HTTP error status and a named code, told in XML."""

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
