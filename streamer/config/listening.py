"""What all sections have that name an address to serve HTTP at."""

from __future__ import annotations

from pydantic import field_validator

from streamer.config.addresses import listen_address
from streamer.config.data import Data


class ListeningConfig(Data):
    """An address to serve at; its default is the example that messages give."""

    listen: str

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, listen: str) -> str:
        listen_address(listen, cls.example())
        return listen

    @classmethod
    def example(cls) -> str:
        """The default of `listen`."""
        return str(cls.model_fields["listen"].default)

    @property
    def host(self) -> str:
        """The host of `listen`, an IPv6 address without brackets."""
        return listen_address(self.listen, self.example())[0]

    @property
    def port(self) -> int:
        """The port of `listen`; 0: any that is free."""
        return listen_address(self.listen, self.example())[1]
