"""Mapping files that are wrong, each with what is said of it, and those that are hostile."""

from __future__ import annotations

from collections.abc import Callable

from tests.mapping.wrong_mappings_by_key import BY_KEY
from tests.mapping.wrong_words import FUNCTIONS, KEYS, STATUS_CODES, TYPES

SMALLEST = "adapter: standard\n"
WRONG: dict[str, tuple[str, list[str]]] = {
    "no adapter": ("backward: follow", ["1:1: the key 'adapter' is missing here"]),
    "unknown key": (
        "adapter: a\nstagess: {}",
        [f"2:1: unknown key 'stagess'; did you mean stages? Allowed: {KEYS}"],
    ),
    "unknown key far off": ("adapter: a\nxyz: 1", [f"2:1: unknown key 'xyz'; allowed: {KEYS}"]),
    "duplicate key": ("adapter: a\nadapter: b", ["2:1: 'adapter' stands twice; it is in line 1 already"]),
    "duplicate stage": (
        'adapter: a\nstages: {deal: {0: {A: order}, "0": {}}}',
        ["2:32: '0' stands twice; it is in line 2 already"],
    ),
    "nothing": ("adapter: a\nstages:", ["2:8: found nothing; `key: value` lines are expected"]),
    "no adapter's name": ("adapter:", ["1:9: found nothing; a text is expected"]),
    "a list for a text": ("adapter: [a]", ["1:10: found a list; a text is expected"]),
    "too long": (f"adapter: {'a' * 201}", ["1:10: the text is longer than 200 characters"]),
    "unknown word": (
        "adapter: a\nunmapped: holdd",
        ["2:11: 'holdd' is not allowed; did you mean hold? Allowed: hold, ignore"],
    ),
    "no as a word": ("adapter: a\nunmapped: no", ["2:11: 'no' is not allowed; allowed: hold, ignore"]),
    "a table for a word": (
        "adapter: a\nunmapped: {}",
        ["2:11: `key: value` (a text with braces must be in quotes) is not allowed; allowed: hold, ignore"],
    ),
    "no status": (
        "adapter: a\nstages: {lead: {NEW: lattent}}",
        [f"2:22: 'lattent' is no status; did you mean latent? Allowed: {STATUS_CODES}, ignore"],
    ),
    "no status at all": (
        "adapter: a\nstages: {lead: {NEW: }}",
        [f"2:21: found nothing; a status is expected; allowed: {STATUS_CODES}, ignore"],
    ),
    "yes as a stage": (
        "adapter: a\nstages: {lead: {yes: latent}}",
        ["2:17: yes without quotes is read as a yes or no by some programs; write 'yes'"],
    ),
    "0123 as a stage": (
        "adapter: a\nstages: {lead: {0123: latent}}",
        ["2:17: 0123 without quotes is read as another number by some programs; write '0123'"],
    ),
    "a time as a stage": (
        "adapter: a\nstages: {lead: {12:30: latent}}",
        ["2:17: 12:30 without quotes is read as a number of minutes or seconds by some programs; write '12:30'"],
    ),
    "a date as a stage": (
        "adapter: a\nstages: {lead: {2026-03-31: latent}}",
        ["2:17: 2026-03-31 without quotes is read as a date by some programs; write '2026-03-31'"],
    ),
    "null as a stage": (
        "adapter: a\nstages: {lead: {~: latent}}",
        ["2:17: ~ without quotes is read as nothing by some programs; write '~'"],
    ),
    "a merge": (
        "adapter: a\nstages: {lead: {<<: latent}}",
        ["2:17: << without quotes is read as a command by some programs; write '<<'"],
    ),
    "a stage beside pipelines": (
        "adapter: a\nstages: {deal: {0: {A: x y}, WON: order}}",
        [
            f"2:24: 'x y' is no status; allowed: {STATUS_CODES}, ignore",
            "2:30: 'WON' is a stage beside pipelines; put it below its pipeline",
        ],
    ),
    "a stage below another pipeline": (
        "adapter: a\nstages: {deal: {5: {'C7:NEW': project, 'DT1044_5:NEW': order}}}",
        ["2:21: 'C7:NEW' is a stage of pipeline 7; it stands below pipeline 5"],
    ),
    "a stage with and without its pipeline": (
        "adapter: a\nstages: {deal: {7: {NEW: latent, 'C7:NEW': project}}}",
        ["2:34: 'C7:NEW' is the same stage as 'NEW' of pipeline 7; write it once"],
    ),
    "a trigger that says too little": (
        "adapter: a\ntriggers: [{when: a}]",
        [
            "2:12: the key 'id' is missing here",
            "2:12: the key 'jump_to' is missing here",
            "2:12: the key 'on' is missing here",
        ],
    ),
    "triggers as a table": (
        "adapter: a\ntriggers: {id: a}",
        [
            (
                "2:11: found `key: value` (a text with braces must be in quotes); "
                "a list is expected, each entry after a dash"
            ),
        ],
    ),
    "a trigger as a text": (
        "adapter: a\ntriggers: [a]",
        ["2:12: found the text 'a'; allowed: a table of id, on, when, jump_to, reopen"],
    ),
    "two triggers of one name": (
        "adapter: a\ntriggers:\n- {id: a, on: x, jump_to: latent}\n- {id: a, on: z, jump_to: latent}",
        ["4:8: the id 'a' stands twice; it is in line 3 already"],
    ),
    "a trigger that jumps to ignore": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: ignore}]",
        [f"2:36: 'ignore' is no status; allowed: {STATUS_CODES}"],
    ),
    "yes as a truth": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: latent, reopen: yes}]",
        ["2:52: found the text 'yes'; allowed: true, false (without quotes)"],
    ),
    "a truth in quotes": (
        'adapter: a\ntriggers: [{id: a, on: x, jump_to: latent, reopen: "true"}]',
        ["2:52: found the text 'true' in quotes; allowed: true, false (without quotes)"],
    ),
    "a list as a truth": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: latent, reopen: []}]",
        ["2:52: found a list; allowed: true, false (without quotes)"],
    ),
    "an unknown target action": (
        "adapter: a\nactions: {x: file_downloads}",
        [
            (
                "2:14: 'file_downloads' is not allowed; did you mean file_download? Allowed: site_access, "
                "form_submission, membership_registration, login, file_download, email_inflow, email_form_submission, "
                "email_membership_registration, cocoar_inflow, mail_open, ignore"
            ),
        ],
    ),
    "a field's name": (
        "adapter: a\nfields: {E-mail: a}",
        ["2:10: 'E-mail' is no name of a field, such as company or custom.budget"],
    ),
    "an unknown type": (
        "adapter: a\nfields: {x: {from: a, type: text}}",
        [
            f"2:29: 'text' is not allowed; allowed: {TYPES}",
        ],
    ),
    "an unfinished expression": (
        "adapter: a\nfields: {x: 'a ||'}",
        ["2:13: 'a ||' is no JMESPath: something is missing at its end"],
    ),
    "a wrong sign in an expression": (
        "adapter: a\nfields: {x: 'a b'}",
        ["2:13: 'a b' is no JMESPath: 'b' at character 3 is not expected there"],
    ),
    "an empty expression": (
        "adapter: a\nfields: {x: ' '}",
        ["2:13: ' ' is no JMESPath: something is missing at its end"],
    ),
    "an expression nested deep": (
        f"adapter: a\nfields: {{x: '{'!' * 499}a'}}",
        ["2:13: the expression has more than 50 brackets, stars or exclamation marks"],
    ),
    "a strange sign in an expression": (
        "adapter: a\nfields: {x: 'a = 1'}",
        ["2:13: 'a = 1' is no JMESPath: character 3 is not understood; a text stands in '…'"],
    ),
    "an old literal in an expression": (
        "adapter: a\nfields: {x: 'a == `b`'}",
        ["2:13: `b` is no number, true, false or null; a text stands in '…'"],
    ),
    "an unknown function in an expression": (
        "adapter: a\nfields: {x: 'leng(a)', z: 'q(a)'}",
        [
            f"2:13: there is no function leng(); did you mean length()? Allowed: {FUNCTIONS}",
            f"2:27: there is no function q(); allowed: {FUNCTIONS}",
        ],
    ),
    "too few values for a function": (
        "adapter: a\nfields: {x: 'join(a)'}",
        ["2:13: the function join() takes 2 values, not 1"],
    ),
    "none of many values for a function": (
        "adapter: a\nfields: {x: 'merge()'}",
        ["2:13: the function merge() takes 1 values or more, not 0"],
    ),
    "an expression that grows": (
        f"adapter: a\nfields: {{x: '{'[@,@][]|' * 20}@'}}",
        ["2:13: the expression makes more than 4 new lists, objects or texts"],
    ),
    "an expression of many parts": (
        f"adapter: a\nfields: {{x: '{'a.' * 200}a'}}",
        ["2:13: the expression has more than 100 parts"],
    ),
    "a long expression": (
        f"adapter: a\nfields: {{x: '{'a' * 501}'}}",
        ["2:13: the expression is longer than 500 characters"],
    ),
    "an owner's address": (
        "adapter: a\nowner: {table: {17: hana}}",
        ["2:21: 'hana' is no e-mail address"],
    ),
    "a match without its table": (
        "adapter: a\nowner: {match: table}",
        ["2:9: match: table needs the key 'table' beside it: their id → e-mail"],
    ),
    "a table without effect": (
        "adapter: a\nowner: {match: email, table: {}}",
        ["2:23: a table has no effect beside match: email; write match: table or remove it"],
    ),
    "a status twice by two names": (
        "adapter: a\npush: {lead: {status: {latent: {}, 潜在: {}}}}",
        ["2:36: '潜在' stands twice: it means latent, which has an entry already"],
    ),
    "a pushed no": (
        "adapter: a\npush: {lead: {status: {latent: {A: no, B: [on], C: {d: 12:30}}}}}",
        [
            "2:36: no without quotes is read as a yes or no by some programs; write 'no'",
            "2:44: on without quotes is read as a yes or no by some programs; write 'on'",
            "2:56: 12:30 without quotes is read as a number of minutes or seconds by some programs; write '12:30'",
        ],
    ),
    "a template without quotes": (
        "adapter: a\npush: {lead: {fields: {A: {status.label}}}}",
        ["2:27: found `key: value` (a text with braces must be in quotes); a text is expected"],
    ),
    "an unknown name in a template": (
        "adapter: a\npush: {lead: {fields: {A: '{status.lable}', B: '{x}'}}}",
        [
            (
                "2:27: {status.lable} is not known; did you mean {status.label}? Allowed: {status.code}, "
                "{status.label}, {since.date}, {since.iso}, {owner}, {email}, {phone}, {profile.…}"
            ),
            (
                "2:48: {x} is not known; allowed: {status.code}, {status.label}, {since.date}, {since.iso}, {owner}, "
                "{email}, {phone}, {profile.…}"
            ),
        ],
    ),
    "a brace left open": (
        "adapter: a\npush: {lead: {fields: {A: 'a { b'}}}",
        ["2:27: a single '{' stands at character 3; write '{{' for the sign itself"],
    ),
    "an anchor, a tag and a directive": (
        "%YAML 1.2\n---\nadapter: &a !!str a\n",
        [
            "2:1: directives (%) are not allowed; remove the line",
            "3:10: the anchor &a is not allowed; remove it",
            "3:10: the tag tag:yaml.org,2002:str is not allowed; remove it",
        ],
    ),
    "a reference": (
        "adapter: a\nstages: &s {}\npush: *s",
        ["3:7: *s refers to another place; write the value out"],
    ),
    "a second document": (
        "adapter: a\n---\nadapter: b",
        ["2:1: a second document (---) is not allowed; one file holds one mapping"],
    ),
    "a table as a key": (
        "adapter: a\nstages: {? {a: b} : c}",
        ["2:12: a key must be a word; a text in braces must be in quotes"],
    ),
    "no table": ("- a", ["1:1: the file is no table; a mapping is made of `key: value` lines"]),
    "empty": ("# nothing\n", ["1:1: the file is empty; a mapping starts with `adapter: <name of the system>`"]),
    "no YAML": ("adapter: 'a", ['1:10: the quotation mark that begins here is never closed: "adapter: \'a"']),
    "a tab": (
        "adapter: a\nstages:\n\tlead: {}",
        ["3:1: this is no YAML: found character '\\t' that cannot start any token; indent with spaces: 'lead: {}'"],
    ),
    "a control character": ("adapter: a\nunmapped: \x07", ["2:11: the character U+0007 is not allowed"]),
}
WRONG |= BY_KEY

MANY = 250_000 - 100
HOSTILE: dict[str, Callable[[], str]] = {
    "50 MB": lambda: "a: " + "x" * 50_000_000,
    "much of three-byte letters": lambda: "a: " + "潜" * 90_000,
    "deep lists": lambda: "[" * MANY,
    "deep tables": lambda: "{a: " * (MANY // 4),
    "deep lists in short lines": lambda: "[[[[\n" * 11_000,
    "deep tables in short lines": lambda: "\n".join(" " * n + "a:" for n in range(600)),
    "deep dashes": lambda: "- " * (MANY // 2),
    "deep question marks": lambda: "? " * (MANY // 2),
    "aliases that explode": lambda: "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(99)),
    "a reference to itself": lambda: "a: &a [*a]",
    "many keys": lambda: "".join(f"k{n}: v\n" for n in range(11_000)),
    "many long lines": lambda: "".join(f"k{n}: {'v ' * 9000}\n" for n in range(13)),
    "a text of many lines": lambda: "a: " + ("x" * 80 + "\n  ") * 11_000,
    "many keys in a line": lambda: "{" + ",".join(f"k{n}: v" for n in range(20_000)),
    "many lines": lambda: "a: " + "x\n  " * 40_000,
    "one long word": lambda: "a" * MANY,
    "one long text": lambda: "adapter: '" + "x" * MANY + "'",
    "many anchors": lambda: "a: " + "&a" * (MANY // 2),
    "many blanks": lambda: "adapter: " + " " * MANY,
    "many comments": lambda: "#\n" * (MANY // 2),
    "many wrong statuses": lambda: SMALLEST + "stages:\n  lead:\n" + "".join(f"    S{n}: x{n}\n" for n in range(4900)),
    "many wrong actions": lambda: SMALLEST + "actions:\n" + "".join(f"  S{n}: x{n}\n" for n in range(4900)),
    "too many stages": lambda: SMALLEST + "stages:\n  lead:\n" + "".join(f"    S{n}: order\n" for n in range(5100)),
    "too many triggers": lambda: SMALLEST + "triggers:\n" + "- {id: a}\n" * 501,
    "nested brackets in an expression": lambda: SMALLEST + f"fields: {{x: '{'(' * 400}'}}",
    "many deep expressions": lambda: SMALLEST + "fields:\n" + "".join(f"  a{n}: '{'!' * 480}a'\n" for n in range(500)),
}
