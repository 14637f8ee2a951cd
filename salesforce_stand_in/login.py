"""Logging in to the stand-in org: JWT bearer and client credentials."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from salesforce_stand_in.messages import Answer, Request, as_json
from v4_assets.config.salesforce import to_18

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ORG_ID = to_18("00DSM0000000001")
USER_ID = to_18("005SM0000000001")
DOMAIN = "stand-in.my"
USERNAME = "v4@stand-in.example"


class LoginRefusedError(Exception):
    """A login that is refused: OAuth error and its description."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


@dataclass
class Login:
    """Who may log in, and the tokens that are good."""

    key_file: Path
    """The private key of the one app and user; made when it is not there."""
    consumer_key: str = "stand-in-consumer-key"
    consumer_secret: str = "stand-in-consumer-secret"
    audience: str = f"https://{DOMAIN}.salesforce.com"
    """What the assertion must be for. Like Salesforce, another one reads as an app that was not approved."""
    moved_to: str | None = None
    """Host to which every login is redirected."""
    tokens: set[str] = field(default_factory=set)
    _public: bytes = b""

    def __post_init__(self) -> None:
        if not self.key_file.exists():
            _make_key(self.key_file)
        private = serialization.load_pem_private_key(self.key_file.read_bytes(), None)
        self._public = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def token(self, form: Mapping[str, str], authorization: str) -> str:
        """A fresh access token. Raises LoginRefusedError."""
        grant = form.get("grant_type")
        if grant == JWT_BEARER:
            self._check_assertion(form.get("assertion", ""))
        elif grant == "client_credentials":
            self._check_basic(authorization)
        else:
            raise LoginRefusedError("unsupported_grant_type", "grant type not supported")
        return self._issue()

    def expire(self) -> None:
        """All tokens handed out so far are no good any more."""
        self.tokens.clear()

    def _issue(self) -> str:
        token = f"{ORG_ID[:15]}!{secrets.token_urlsafe(48)}"
        self.tokens.add(token)
        return token

    def _check_assertion(self, assertion: str) -> None:
        try:
            claims = jwt.decode(
                assertion,
                self._public,
                ["RS256"],
                audience=self.audience,
                issuer=self.consumer_key,
            )
        except jwt.InvalidIssuerError as error:
            raise LoginRefusedError("invalid_client_id", "client identifier invalid") from error
        except jwt.InvalidAudienceError as error:
            raise LoginRefusedError("invalid_grant", "user hasn't approved this consumer") from error
        except jwt.InvalidTokenError as error:
            raise LoginRefusedError("invalid_grant", "invalid assertion") from error
        if claims.get("sub") != USERNAME:
            raise LoginRefusedError("invalid_grant", "user hasn't approved this consumer")

    def _check_basic(self, authorization: str) -> None:
        given = authorization.removeprefix("Basic ")
        if given != base64.b64encode(f"{self.consumer_key}:{self.consumer_secret}".encode()).decode():
            raise LoginRefusedError("invalid_client", "invalid client credentials")


def identity(base: str) -> str:
    """Address of the one user, in which the ids of org and user stand."""
    return f"{base}/id/{ORG_ID}/{USER_ID}"


def oauth(login: Login, request: Request, base: str) -> Answer:
    """Answer of /services/oauth2/token; the client goes on at `base`."""
    if login.moved_to:
        return Answer(
            302, b"<html>moved</html>", "text/html", {"Location": f"https://{login.moved_to}/services/oauth2/token"}
        )
    form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
    try:
        token = login.token(form, request.headers.get("authorization", ""))
    except LoginRefusedError as refused:
        return as_json(400, {"error": refused.error, "error_description": str(refused)})
    answer = {"access_token": token, "instance_url": base, "id": identity(base), "token_type": "Bearer"}
    return as_json(200, answer)


def _make_key(file: Path) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(text)
