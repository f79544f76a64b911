"""The credentials and TLS options of a source."""

from __future__ import annotations

import base64
import json
from dataclasses import astuple, dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a source signs in with, and which certificates it accepts.

    It is Basic authentication (RFC 7617), a bearer token (RFC 6750) or a token in a header of its
    own.
    """

    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    header: str = ""  # the token's header; empty for "Authorization: Bearer"
    verify: bool = True
    ca_file: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        """Return the header fields that carry the credentials."""
        fields: dict[str, str] = {}
        if self.login or self.password:
            pair = base64.b64encode(f"{self.login}:{self.password}".encode())
            fields["Authorization"] = f"Basic {pair.decode()}"
        if self.token:
            fields[self.header or "Authorization"] = (
                self.token if self.header else f"Bearer {self.token}"
            )
        return fields

    @property
    def identity(self) -> str:
        """A secret text that tells them from other credentials."""
        return json.dumps(astuple(self))


ANONYMOUS = Credentials()
