"""What the engine asks of whatever delivers messages, and a sender that only remembers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from tocsin.kernel.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOutcome:
    """How one delivery went. Accepted means the next server took it over, not that anybody read it.

    `detail` is a sentence made of known words and status codes, never of what a URL or a server said, so it may
    be recorded and shown. After a time limit the outcome is failed although the message may still arrive: the
    receiver recognises the second one by its key.
    """

    outcome: Literal["accepted", "failed"]
    detail: str

    @property
    def accepted(self) -> bool:
        """Say whether the message was taken over."""
        return self.outcome == "accepted"


class Sender(Protocol):
    """Delivers one message to one address. Blocks; called from a worker thread."""

    def send(self, address: str, title: str, body: str, key: str, timeout: float) -> DeliveryOutcome:
        """Deliver, within `timeout` seconds, and tell how it went; a failure is an outcome, not an error.

        `address` is an e-mail address, an http(s) URL that takes JSON, or another URL the sender knows. `key`
        travels with the message, the same for each repetition of one attempt.

        Raises:
            Invalid: `key` is not 1 to 200 printable ASCII characters without spaces.
        """
        ...


def check_key(key: str) -> None:
    """Raise `Invalid` unless `key` may travel in a header and in a text."""
    if not 1 <= len(key) <= 200 or not key.isascii() or not key.isprintable() or " " in key:
        raise Invalid(
            "A delivery key is 1 to 200 printable ASCII characters.", where="key", mend="Use a digest."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a `RecordingSender` was asked to deliver."""

    address: str
    title: str
    body: str
    key: str


class RecordingSender:
    """A sender for tests, exercises and the simulation: it delivers nothing and remembers everything."""

    def __init__(self) -> None:
        self.asked: list[Message] = []
        """Every message, in order, whatever became of it."""
        self.sent: list[Message] = []
        """The messages that were accepted."""
        self.failing: dict[str, str] = {}
        """Address to the detail with which deliveries to it fail."""

    def send(self, address: str, title: str, body: str, key: str, timeout: float) -> DeliveryOutcome:
        """Remember the message; it fails where `failing` says so, and for what is no address."""
        check_key(key)
        message = Message(address=address, title=" ".join(title.split()), body=body, key=key)
        self.asked.append(message)
        if address in self.failing:
            return DeliveryOutcome(outcome="failed", detail=self.failing[address])
        if "@" not in address and "://" not in address:
            return DeliveryOutcome(outcome="failed", detail="This is not an address.")
        self.sent.append(message)
        return DeliveryOutcome(outcome="accepted", detail="Remembered, not delivered.")
