"""Where the page that steers streams is served, and who may use it."""

from __future__ import annotations

import unicodedata

from pydantic import Field, SecretStr, field_validator, model_validator

from streamer.config.addresses import called_host, is_loopback
from streamer.config.listening import ListeningConfig

_SHORTEST = 8
_LONGEST = 1024


class WebConfig(ListeningConfig):
    """A page that shows the streams and changes them, and the API that it uses, over HTTP."""

    listen: str = "127.0.0.1:8080"
    """Address to serve at, `host:port`; port 0 takes any that is free. Every address but this
    machine's own needs `password`."""
    password: SecretStr | None = None
    """What the page asks for, 8 to 1024 characters; programs send it as `Authorization: Bearer`.
    Absent: whoever uses this machine may change the streams."""
    certificate: str | None = None
    """PEM file for `https://`: the certificate, then those that signed it."""
    private_key: str | None = None
    """PEM file for `https://`, without a passphrase."""
    hosts: list[str] = Field(default=[], max_length=64)
    """Further names by which browsers reach the page, such as `cam.example.org`, or with the only
    port that is allowed, `cam.example.org:8443`. Those of a proxy are needed, and it must pass on
    `Host` as the browser wrote it. A page of any other name is refused: it may be an attacker's."""

    @field_validator("password")
    @classmethod
    def _can_be_sent(cls, password: SecretStr | None) -> SecretStr | None:
        if password is None:
            return None
        text = password.get_secret_value()
        if not _SHORTEST <= len(text) <= _LONGEST:
            raise ValueError(f"must have {_SHORTEST} to {_LONGEST} characters")
        if text != text.strip() or any(unicodedata.category(one) == "Cc" for one in text):
            raise ValueError("must not begin or end with a space, nor have control characters")
        return password

    @field_validator("hosts")
    @classmethod
    def _are_hosts(cls, hosts: list[str]) -> list[str]:
        for number, host in enumerate(hosts):
            try:
                called_host(host)
            except ValueError as error:
                raise ValueError(f"entry {number + 1} {error}") from None
        return hosts

    @model_validator(mode="after")
    def _tls_is_whole(self) -> WebConfig:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together: write both, or none")
        return self

    @model_validator(mode="after")
    def _served_with_care(self) -> WebConfig:
        if not (is_loopback(self.host) or self.password):
            raise ValueError(
                f"listen: other machines could change the streams at {self.host} without a "
                f"password: set password, or write {type(self).model_fields['listen'].default}"
            )
        return self

    @property
    def has_tls(self) -> bool:
        """Whether it is served over `https://`."""
        return self.certificate is not None

    @property
    def is_plain_beyond_loopback(self) -> bool:
        """Whether the password and the pictures travel between machines in clear."""
        return not (is_loopback(self.host) or self.has_tls)
