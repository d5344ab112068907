"""The OAuth 2.0 server, on Authlib: what it can do, and its answers.

Programs are no registered clients: nothing is decided by what a program calls itself, for anybody can say it. What
counts is the person who approves, and the key that the program proves to have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import ClientMixin
from flask import Flask, Response

from core.oauth import families
from core.oauth.flows import DeviceGrant, Endpoint, RefreshGrant, make_tokens
from core.oauth.request import DEVICE, PROGRAM, TOKEN, Asked, check_form
from core.signing import VERIFIED


def init_app(app: Flask) -> None:
    """Make the server of an application."""
    server = Server()
    server.init_app(app, query_client=lambda _id: PROGRAM, save_token=lambda _token, _request: None)
    server.register_token_generator("default", make_tokens)
    server.register_endpoint(Endpoint)
    server.register_grant(DeviceGrant)
    server.register_grant(RefreshGrant)
    app.extensions["oauth"] = server


def metadata() -> dict[str, Any]:
    """What the server can do (RFC 8414)."""
    issuer = families.issuer()
    return {
        "issuer": issuer,
        "device_authorization_endpoint": issuer + DEVICE,
        "token_endpoint": issuer + TOKEN,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": [],
        "grant_types_supported": [DeviceGrant.GRANT_TYPE, RefreshGrant.GRANT_TYPE],
        "token_endpoint_auth_methods_supported": ["none"],
        "dpop_signing_alg_values_supported": sorted(VERIFIED),
    }


class Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server for programs that are not registered."""

    def create_oauth2_request(self, request: Any) -> Asked:
        """The request at hand."""
        return Asked()

    def authenticate_client(self, request: Any, methods: Any, endpoint: str = "token") -> ClientMixin:
        """Every program is as good as any other."""
        return PROGRAM

    def answer_device(self) -> Response:
        """The answer to a program that wants to be let in; the caller commits."""
        return self._answer(lambda: self.create_endpoint_response(Endpoint.ENDPOINT_NAME))

    def answer_token(self) -> Response:
        """The answer to a program that asks for tokens; the caller commits, refusals too."""
        return self._answer(self.create_token_response)

    def _answer(self, make: Callable[[], Any]) -> Response:
        try:
            check_form()
            return make()  # type: ignore[no-any-return]
        except OAuth2Error as error:
            return self.handle_error_response(None, error)  # type: ignore[no-any-return]
