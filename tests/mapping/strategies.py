"""Random mapping files that are right, and random events for them."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from hypothesis import strategies as st

from connector.core.event import Conflict, Event, Kind, RecordRef
from connector.mapping.field_types import FieldType

WORDS = st.sampled_from(["NEW", "WON", "form", "0", "17", "hum", "login", "odd word", "é", "no"])
STATUS = st.sampled_from(["latent", "Lost order", "失注", "order"])
GOAL = STATUS | st.lists(STATUS, min_size=2, max_size=4)
SAID = r"""A  A.B[0]  L[*].V  ceil(A)  sum(L)  sort_by(L,&V)  max_by(L,&V).V  L[?V>`1`]|[0]  *.*  join('-',L)  avg(L)
to_number(A)  length(A)  A[::2]  map(&V,L)  {a:A,b:L}  !A&&L"""
EXPRESSIONS = st.sampled_from(SAID.split())
FIELD = st.fixed_dictionaries(
    {"from": EXPRESSIONS},
    optional={
        "type": st.sampled_from(FieldType).map(str),
        "conflict": st.sampled_from(Conflict).map(str),
    },
)
STAGES = st.dictionaries(WORDS, GOAL | st.just("ignore"), max_size=3)


def _id_of(trigger: Any) -> str:
    return str(trigger["id"])


TRIGGER = st.fixed_dictionaries(
    {"id": WORDS, "on": WORDS, "jump_to": GOAL}, optional={"when": EXPRESSIONS, "reopen": st.booleans()}
)
ANY_TEXT = st.text(
    st.characters(
        exclude_categories=("Cs", "Cn", "Co"), exclude_characters="\ufeff" + "".join(map(chr, range(127, 160)))
    ),
    min_size=1,
    max_size=5,
)
"""What a file may hold as it is, or as JSON escapes it."""
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.sampled_from([0.5, -0.25, 3.0, 123456.75, 1e15])
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=5,
)
TEMPLATES = ANY_TEXT.map(lambda text: text.replace("{", "{{").replace("}", "}}"))
HEADINGS = st.sampled_from(["番号", "Phone 2", "no"]) | st.lists(st.sampled_from(["A", "会社名"]), max_size=3)
FILES = st.fixed_dictionaries(
    {"adapter": st.just("standard")},
    optional={
        "region": st.sampled_from(["JP", "VN", "US"]),
        "backward": st.sampled_from(["follow", "ignore"]),
        "unmapped": st.sampled_from(["hold", "ignore"]),
        "stages": st.dictionaries(WORDS, STAGES | st.dictionaries(WORDS, STAGES, max_size=3), max_size=3),
        "triggers": st.lists(TRIGGER, max_size=3, unique_by=_id_of),
        "actions": st.dictionaries(WORDS, st.sampled_from(["login", "mail_open", "ignore"]), max_size=3),
        "fields": st.dictionaries(st.sampled_from(["company", "custom.x", "email"]), FIELD | EXPRESSIONS),
        "columns": st.fixed_dictionaries(
            {},
            optional={
                **dict.fromkeys(("id", "phone", "stage"), HEADINGS),
                "date_format": st.sampled_from(["DD/MM/YYYY", "ymd"]),
            },
        ),
        "owner": st.fixed_dictionaries(
            {},
            optional={
                "table": st.dictionaries(WORDS, st.just("a@example.com")),
                "unknown": st.sampled_from(["hold", "ignore"]),
            },
        ),
        "push": st.dictionaries(
            WORDS,
            st.fixed_dictionaries(
                {},
                optional={
                    "status": st.dictionaries(st.sampled_from(["latent", "order"]), st.dictionaries(ANY_TEXT, VALUES)),
                    "fields": st.dictionaries(WORDS, st.just("{owner}") | TEMPLATES),
                    "owner": WORDS,
                },
            ),
        ),
    },
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | WORDS | st.just("2026-03-01"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["A", "B", "L", "V"]), inner, max_size=3)
    ),
    max_leaves=8,
)
EVENTS = st.builds(
    Event,
    key=st.text(max_size=3),
    at=st.datetimes(timezones=st.just(UTC)),
    kind=st.sampled_from(Kind),
    record=st.none() | st.builds(RecordRef, object=WORDS, id=WORDS),
    name=st.none() | WORDS,
    stage=st.none() | WORDS,
    pipeline=st.none() | WORDS,
    owner=st.none() | WORDS,
    owner_email=st.none() | st.just("b@example.com"),
    data=st.dictionaries(st.sampled_from(["A", "L"]), JSON),
)
