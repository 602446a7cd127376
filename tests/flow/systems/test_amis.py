"""AMIS against its emulator: the first booked order makes a customer, the second a loyal one, by the mapping alone."""

from __future__ import annotations

from connector.emulators.amis.crm import AmisCrm
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import MAPPINGS, playing


def test_the_second_booked_order_counts_as_the_second_however_often_each_is_told(
    runtime: Runtime, clock: Clock
) -> None:
    shipped = (MAPPINGS / "amis.yaml").read_text()
    mapping = shipped.replace("[order, order]", "[order, visited]")
    assert mapping != shipped
    system = AmisCrm(now=clock)
    with playing(runtime, system, mapping) as run:
        contact = system.add("aiko@customer.example", stage="SQL")
        orders = [system.order(contact), system.order(contact)]
        run.finish()
        assert run.subject().status == "project"
        statuses = []
        for order in (orders[0], orders[1]):
            clock.forward(hours=1)
            system.book(order)
            run.finish()
            statuses.append(run.subject().status)
            system.shelf.change("SaleOrders", order, {"delivery_status": "Đã giao"}, at=clock())
            clock.forward(hours=1)
            run.reconcile()
            run.finish()
        assert statuses == ["order", "visited"]
        assert run.subject().status == "visited"
        assert system.stage_of(contact) == "MQL"
