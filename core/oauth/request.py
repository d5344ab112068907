"""The request of a program as Authlib reads it, and the key that it proves to have."""

from __future__ import annotations

from datetime import datetime

from authlib.integrations.flask_oauth2.requests import FlaskOAuth2Payload, FlaskOAuth2Request
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from flask import request
from werkzeug.datastructures import MultiDict

from core import dates
from core.oauth import dpop
from core.oauth.dpop import ProofRefused

DEVICE, TOKEN = "/oauth/device", "/oauth/token"


class Form(FlaskOAuth2Payload):  # type: ignore[misc]
    """The parameters of the body; those of the address, which logs keep, are none."""

    @property
    def data(self) -> MultiDict[str, str]:
        """The fields."""
        return request.form


class Asked(FlaskOAuth2Request):  # type: ignore[misc]
    """A request as Authlib reads it, which takes none over plain HTTP; that is for BASE_URL to decide, not for us."""

    def __init__(self) -> None:
        OAuth2Request.__init__(self, request.method, f"https://{request.host}{request.path}", headers=request.headers)
        self._request = request
        self.payload = Form(request)


class Program(ClientMixin):  # type: ignore[misc]
    """Any program."""

    def get_client_id(self) -> str:
        """Which is one for all."""
        return ""

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether it may use a grant."""
        return True

    def get_allowed_scope(self, scope: str | None) -> str:
        """There is one scope: to ask for seats."""
        return ""


PROGRAM = Program()


class BadProof(OAuth2Error):  # type: ignore[misc]
    """The proof of possession was refused."""

    def get_headers(self) -> list[tuple[str, str]]:
        """With a nonce for who may try again."""
        nonce = [(dpop.NONCE_HEADER, dpop.nonce(dates.now()))] if self.error == dpop.USE_NONCE else []
        return [*super().get_headers(), *nonce]


def proved(path: str, now: datetime) -> str | None:
    """The thumbprint of the key that the program proves to have; None when it sends no proof."""
    text = request.headers.get(dpop.HEADER)
    if text is None:
        return None
    try:
        return dpop.check(text, request.method, path, now).thumbprint
    except ProofRefused as refused:
        raise BadProof(error=refused.error, description="the DPoP proof is not accepted") from None


def check_form() -> None:
    """Refuse what RFC 6749 refuses before it looks at anything."""
    if any(len(values) > 1 for values in request.form.listvalues()):
        raise InvalidRequestError("a parameter comes twice")
    if request.path == TOKEN and not request.form.get("grant_type"):
        raise InvalidRequestError("grant_type is missing")
