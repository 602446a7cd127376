"""What a company takes for nobody's: people whom it had joined are two after the rules are published, and one again."""

from __future__ import annotations

from connector.operations.flow import remap
from connector.runtime.parts import Runtime
from connector.store.remaps import RULES
from tests.conftest import Clock, put_in_force
from tests.flow.senders import Sender, add_connection, drain
from tests.flow.store_queries import subject_of


def _publish(runtime: Runtime, clock: Clock, **settings: object) -> None:
    clock.forward(minutes=1)
    put_in_force(runtime, **settings)
    remap(runtime, RULES)


def _are_one(runtime: Runtime) -> bool:
    one, two = (subject_of(runtime, "record", f"shop:lead:{number}") for number in "12")
    return one.id == two.id


def test_a_shared_mailbox_joins_nobody_once_the_rules_name_it_and_joins_again_when_they_do_not(
    runtime: Runtime, clock: Clock
) -> None:
    add_connection(runtime)
    put_in_force(runtime)
    sender = Sender(runtime)
    for number, stage in (("1", "won"), ("2", "new")):
        who = {"id": number, "email": "info@shop.example"}
        sender.send(
            {"id": number, "at": clock().isoformat(), "type": "stage", "object": "lead", "stage": stage}
            | {"subject": who}
        )
        drain(runtime)
        clock.forward(minutes=1)
    assert _are_one(runtime)
    _publish(runtime, clock, placeholders={"addresses": ["info@shop.example"]})
    assert not _are_one(runtime)
    assert subject_of(runtime, "record", "shop:lead:1").status == "order"
    assert subject_of(runtime, "record", "shop:lead:2").status == "latent"
    _publish(runtime, clock, placeholders={"domains": ["other.example"]})
    assert _are_one(runtime)
