"""Who is one person and who is not, by whatever way they come in: webhooks of two kinds, and files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from itertools import permutations
from typing import Any, Final

import pytest

from connector.operations.imports.csv_import import import_csv
from connector.operations.imports.csv_rows import CsvOptions
from connector.runtime.parts import Runtime
from connector.store import identities, subjects
from connector.store.subjects import SubjectRow
from tests.conftest import NOW, Clock, put_in_force
from tests.flow.senders import Sender, add_connection, drain
from tests.flow.store_queries import subject_of

STAGES: Final = "stages: {lead: {new: latent, talking: appointment_prospect, won: order}}\nunmapped: ignore\n"
Names = Mapping[str, str]


class World:
    """A workspace into which people come by one of the ways, each a minute after the one before."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.senders: dict[str, Sender] = {}
        self.count = 0

    def connect(self, name: str, way: str, more: str = "region: JP", **settings: Any) -> None:
        """Add a connection that people come in by."""
        adapter = "generic" if way == "generic" else "standard"
        given = {"events": "events"} if adapter == "generic" else {}
        add_connection(
            self.runtime, name, adapter=adapter, mapping=f"adapter: {adapter}\n{STAGES}{more}\n", **given | settings
        )
        if way != "csv":
            self.senders[name] = Sender(self.runtime, name)

    def say(self, *people: Names, name: str = "shop") -> None:
        """Each in a webhook or a file of its own; `stage` and `at` (ISO) may be among the names."""
        for names in people:
            self.count += 1
            self.runtime.clock.forward(minutes=1)  # type: ignore[attr-defined]
            at = names.get("at") or self.runtime.clock().isoformat()
            told = {key: value for key, value in names.items() if key not in {"at", "stage"}}
            if name in self.senders:
                self.senders[name].send(*self._lines(name, told, at, names.get("stage")))
                drain(self.runtime)
            else:
                self._import(name, told, at, names.get("stage", ""))

    def _lines(self, name: str, told: Names, at: str, stage: str | None) -> list[dict[str, Any]]:
        number = str(self.count)
        if self.runtime.connections.all()[name].adapter.NAME == "generic":
            who = {("record" if key == "id" else key): value for key, value in told.items()}
            return [{"event_id": number, "at": at, **who, **({"stage": stage, "stage_at": at} if stage else {})}]
        deed = {"type": "stage", "object": "lead", "stage": stage} if stage else {"type": "identify"}
        return [{"id": number, "at": at, "kind": "lead", "subject": told, **deed}]

    def _import(self, name: str, told: Names, at: str, stage: str) -> None:
        row = {"at": at, "stage": stage, **told}
        columns = {what: [what] for what in row}
        lines = "\n".join((",".join(row), ",".join(row.values())))
        import_csv(self.runtime, name, BytesIO(lines.encode()), "people.csv", CsvOptions(columns=columns), actor="kim")

    def subjects(self) -> list[SubjectRow]:
        """Everybody."""
        with self.runtime.database.read() as connection:
            return subjects.listed(connection)

    def shared(self) -> set[str]:
        """The identities that find nobody any more."""
        with self.runtime.database.read() as connection:
            held = identities.of_subjects(connection, [row.id for row in self.subjects()])
        return {one.key.value for one in held if one.is_shared}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database will do: `test_merge`, `test_split` and `test_duplicates` hold both to the same."""
    return sqlite_url


@pytest.fixture
def world(runtime: Runtime) -> World:
    return World(runtime)


@pytest.fixture(params=["standard", "generic", "csv"])
def any_way(request: pytest.FixtureRequest, world: World) -> Callable[..., World]:
    """A workspace with one connection of each way in turn."""

    def connected(more: str = "region: JP", **settings: Any) -> World:
        world.connect("shop", request.param, more, **settings)
        return world

    return connected


SWITCHBOARD: Final = "03-1234-5678"
NOBODYS: Final = ("101", "1", "000-0000-0000", "0000000000", "0312")


@pytest.mark.parametrize("phone", [SWITCHBOARD, "090-1111-2222", *NOBODYS])
def test_two_e_mails_with_one_phone_are_two(any_way: Callable[..., World], phone: str) -> None:
    world = any_way()
    world.say(
        {"id": "1", "email": "ann@a.example", "phone": phone}, {"id": "2", "email": "bob@b.example", "phone": phone}
    )
    world.say({"email": "ann@a.example", "phone": phone}, {"phone": phone, "email": "bob@b.example"})
    assert len(world.subjects()) == 2


@pytest.mark.parametrize("phone", NOBODYS)
def test_two_who_have_nothing_but_a_number_that_is_nobodys_are_two(any_way: Callable[..., World], phone: str) -> None:
    world = any_way()
    world.say({"id": "1", "phone": phone}, {"id": "2", "phone": phone})
    assert len(world.subjects()) == 2


@pytest.mark.parametrize("email", ["noemail@noemail.com", "no-reply@shop.example", "test@test.com"])
def test_a_mailbox_that_is_nobodys_makes_nobody_one(any_way: Callable[..., World], email: str) -> None:
    world = any_way()
    world.say({"id": "1", "email": email}, {"id": "2", "email": email})
    assert len(world.subjects()) == 2


@pytest.mark.parametrize("way", ["standard", "generic"])
@pytest.mark.parametrize("visitor", ["undefined", "null", "[object Object]", "0"])
def test_a_visitor_who_is_called_undefined_is_nobody(world: World, way: str, visitor: str) -> None:
    world.connect("shop", way)
    world.say({"id": "1", "visitor": visitor}, {"id": "2", "visitor": visitor})
    assert len(world.subjects()) == 2


TOKYO: Final = (
    "090-1234-5678",
    "+81 90-1234-5678",
    "+81 (0)90-1234-5678",
    "０９０−１２３４−５６７８",
    "0081 90 1234 5678",
)
HANOI: Final = ("0987 654 321", "+84 987 654 321", "84987654321", "0084 987654321")


@pytest.mark.parametrize(("region", "numbers"), [("JP", TOKYO), ("VN", HANOI)])
def test_one_number_is_one_however_it_is_written(
    any_way: Callable[..., World], region: str, numbers: tuple[str, ...]
) -> None:
    world = any_way(f"region: {region}")
    world.say(*({"id": str(place), "phone": number} for place, number in enumerate(numbers)))
    assert len(world.subjects()) == 1


def test_the_same_digits_in_two_countries_are_two_numbers(world: World) -> None:
    world.connect("tokyo", "standard", "region: JP")
    world.connect("hanoi", "standard", "region: VN")
    world.say({"id": "1", "phone": "0908 222 333"}, name="tokyo")
    world.say({"id": "9", "phone": "0908 222 333", "stage": "won"}, name="hanoi")
    assert sorted(row.status for row in world.subjects()) == ["not_set", "order"]


def test_the_same_digits_without_a_country_are_two_numbers_in_two_systems(world: World) -> None:
    world.connect("one", "standard", "backward: follow")
    world.connect("other", "generic", "backward: follow")
    for name in ("one", "other"):
        world.say({"id": "1", "phone": "0908 222 333"}, {"id": "2", "phone": "0908 222 333"}, name=name)
    assert len(world.subjects()) == 2


@pytest.mark.parametrize("is_person", [True, False])
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_an_order_stays_with_whom_had_a_typo_and_the_true_owner_of_the_address_is_another(
    world: World, order: tuple[int, ...], *, is_person: bool
) -> None:
    world.connect("shop", "generic", person_objects=["lead"] if is_person else [])
    typo = {"id": "M1", "email": "hana@customer.example", "stage": "won", "at": "2026-01-01T00:00:00+00:00"}
    corrected = {"id": "M1", "email": "hanako@customer.example", "at": "2026-02-01T00:00:00+00:00"}
    owner = {"id": "M2", "email": "hana@customer.example", "stage": "new", "at": "2026-03-01T00:00:00+00:00"}
    lines = [typo, corrected, owner]
    world.say(*(lines[place] for place in order))
    first, second = (subject_of(world.runtime, "record", f"shop:lead:{of}") for of in ("M1", "M2"))
    assert (first.status, second.status) == ("order", "latent")
    assert subject_of(world.runtime, "email", "hana@customer.example") == second
    assert subject_of(world.runtime, "email", "hanako@customer.example") == first


def test_letters_that_are_alike_make_two_mailboxes(any_way: Callable[..., World]) -> None:
    world = any_way()
    world.say({"id": "1", "email": "straße@x.example"}, {"id": "2", "email": "strasse@x.example"})
    assert len(world.subjects()) == 2


WRITTEN: Final = (
    "mailto:a@x.example",
    "<a@x.example>",
    "Ann <a@x.example>",
    "a@x.example;",
    "ａ＠ｘ．ｅｘａｍｐｌｅ",
    "a@\u200bx.example\ufeff",
    " A@X.example ",
)


def test_one_mailbox_is_one_however_it_is_written(any_way: Callable[..., World]) -> None:
    world = any_way()
    world.say({"id": "0", "email": "a@x.example"})
    world.say(*({"id": str(place), "email": text} for place, text in enumerate(WRITTEN, 1)))
    assert len(world.subjects()) == 1


def test_a_second_lead_with_the_same_mobile_and_no_e_mail_finds_its_person(any_way: Callable[..., World]) -> None:
    world = any_way()
    world.say({"id": "1", "email": "ann@a.example", "phone": "090-1111-2222"}, {"id": "2", "phone": "09011112222"})
    assert len(world.subjects()) == 1


def test_a_phone_never_joins_two_who_are_there_already(any_way: Callable[..., World]) -> None:
    world = any_way()
    world.say({"id": "1", "phone": SWITCHBOARD}, {"id": "2", "email": "b@b.example"}, {"id": "2", "phone": SWITCHBOARD})
    world.say({"id": "2", "email": "b@b.example", "phone": SWITCHBOARD})
    assert len(world.subjects()) == 2


def test_an_e_mail_joins_two_occasions_that_are_there_already(any_way: Callable[..., World]) -> None:
    world = any_way()
    world.say(
        {"id": "1", "phone": SWITCHBOARD}, {"id": "2", "email": "b@b.example"}, {"id": "1", "email": "b@b.example"}
    )
    assert len(world.subjects()) == 1


def test_an_e_mail_does_not_join_two_persons_of_one_system(any_way: Callable[..., World]) -> None:
    world = any_way(person_objects=["lead"])
    world.say({"id": "1", "email": "info@b.example"}, {"id": "2", "email": "info@b.example"})
    world.say({"id": "2", "email": "info@b.example"}, {"id": "1", "email": "info@b.example"})
    assert len(world.subjects()) == 2


@pytest.mark.parametrize("way", ["standard", "generic"])
def test_a_visitor_who_identifies_himself_is_whom_he_names(world: World, way: str) -> None:
    world.connect("shop", way)
    world.say({"visitor": "v-1f3a"}, {"id": "1", "email": "a@x.example"}, {"visitor": "v-1f3a", "email": "a@x.example"})
    world.say({"visitor": "v-1f3a", "stage": "talking", "id": "1"})
    assert [row.status for row in world.subjects()] == ["appointment_prospect"]


@pytest.mark.parametrize("way", ["standard", "generic"])
def test_two_people_at_one_browser_stay_two(world: World, way: str) -> None:
    world.connect("shop", way)
    world.say({"visitor": "v-1f3a", "email": "a@x.example"}, {"visitor": "v-1f3a", "email": "b@x.example"})
    world.say({"visitor": "v-1f3a", "email": "a@x.example"}, {"visitor": "v-1f3a", "email": "b@x.example"})
    assert len(world.subjects()) == 2


def test_where_the_mobile_is_the_person_it_joins_and_the_e_mail_only_finds(any_way: Callable[..., World]) -> None:
    world = any_way("region: VN\nidentify_by: [mobile, email]")
    world.say({"id": "1", "phone": "0987 654 321"}, {"id": "2", "email": "b@x.example"})
    world.say({"id": "2", "email": "b@x.example", "phone": "0987 654 321"})
    assert len(world.subjects()) == 1
    world.say({"id": "3", "email": "c@x.example", "phone": "+84 987 654 321"})
    assert len(world.subjects()) == 1


def test_what_a_connection_does_not_identify_by_identifies_nobody(any_way: Callable[..., World]) -> None:
    world = any_way("region: VN\nidentify_by: [email]")
    world.say({"id": "1", "phone": "0987 654 321"}, {"id": "2", "phone": "0987 654 321"})
    assert len(world.subjects()) == 2


def test_what_a_workspace_takes_for_nobodys_is_nobodys(any_way: Callable[..., World]) -> None:
    world = any_way()
    put_in_force(
        world.runtime,
        placeholders={
            "addresses": ["front@desk.example"],
            "domains": ["invalid.example"],
            "numbers": ["0901 111 2222"],
        },
    )
    for number, names in enumerate(
        ({"email": "Front@desk.example"}, {"email": "x@invalid.example"}, {"phone": "+81 90-1111-2222"})
    ):
        world.say({"id": f"{number}a", **names}, {"id": f"{number}b", **names})
    assert len(world.subjects()) == 6


def test_a_phone_beside_more_than_three_e_mails_finds_nobody_any_more(any_way: Callable[..., World]) -> None:
    world = any_way()
    world.say({"id": "9", "phone": SWITCHBOARD})
    for number in range(4):
        world.say({"id": str(number), "email": f"{number}@x.example", "phone": SWITCHBOARD})
    assert world.shared() == {"+81312345678"}
    world.say({"id": "10", "phone": SWITCHBOARD}, {"id": "11", "phone": SWITCHBOARD})
    assert len(world.subjects()) == 7


def test_an_e_mail_on_more_than_three_persons_finds_nobody_any_more_and_occasions_never_count(
    any_way: Callable[..., World],
) -> None:
    world = any_way(person_objects=["lead"])
    for number in range(5):
        world.say({"id": str(number), "email": "info@x.example"})
    assert world.shared() == {"info@x.example"}
    assert len(world.subjects()) == 5


def test_many_occasions_of_one_person_never_make_an_e_mail_shared(any_way: Callable[..., World], clock: Clock) -> None:
    world = any_way()
    for number in range(20):
        world.say({"id": str(number), "email": "ann@x.example", "phone": "090-1111-2222"})
    assert (len(world.subjects()), world.shared()) == (1, set())
    assert clock() > NOW
