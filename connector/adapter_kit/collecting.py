"""What an adapter has besides the contract when browsers post to it: `/collect/<connection>`, never `/webhooks/`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from connector.adapter_kit.contract import Adapter, Delivery


@runtime_checkable
class Collecting(Protocol):
    """An adapter of a tracker on public pages, where anybody may post: its deliveries are bounded and screened."""

    @property
    def per_minute(self) -> int:
        """Deliveries a minute at most, of all visitors together, in each process of the web server."""
        ...

    def allows_origin(self, origin: str) -> bool:
        """Whether pages of that origin (`https://www.example.com`) may post and read the answer; raises nothing."""
        ...

    def wants(self, delivery: Delivery) -> bool:
        """False for what is not to be stored at all: bots, visitors who ask not to be tracked; raises nothing."""
        ...


def collects(adapter: type[Adapter]) -> bool:
    """Whether an adapter is a `Collecting` one."""
    return hasattr(adapter, "allows_origin")
