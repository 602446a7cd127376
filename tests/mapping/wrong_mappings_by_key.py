"""Mapping files that are wrong, key by key, each with what is said of it."""

from __future__ import annotations

from typing import Final

from connector.mapping.schema import COLUMNS
from tests.mapping.wrong_words import ACTIONS, BRACES, FUNCTIONS, KEYS, STATUS_CODES, TYPES, VIEWS

BY_KEY: Final[dict[str, tuple[str, list[str]]]] = {
    "a text alone": ("adapter", ["1:1: the file is no table; a mapping is made of `key: value` lines"]),
    "a number alone": ("12", ["1:1: the file is no table; a mapping is made of `key: value` lines"]),
    "two mappings in one file": (
        "adapter: a\n---\nadapter: a\n",
        ["2:1: a second document (---) is not allowed; one file holds one mapping"],
    ),
    "an end mark with more behind it": (
        "adapter: a\n...\nbackward: follow\n",
        ["3:1: a second document (---) is not allowed; one file holds one mapping"],
    ),
    "a list of tables": ("- adapter: a", ["1:1: the file is no table; a mapping is made of `key: value` lines"]),
    "only a mark of a document": ("---\n", ["2:1: the file is no table; a mapping is made of `key: value` lines"]),
    "spaces only": ("   \n", ["1:1: the file is empty; a mapping starts with `adapter: <name of the system>`"]),
    "an unclosed brace": (
        "adapter: a\nstages: {lead: {NEW: latent}",
        ["2:9: the { that begins here is not closed, or a comma is missing after it: 'stages: {lead: {NEW: latent}'"],
    ),
    "an unclosed bracket": (
        "adapter: a\ntriggers: [",
        ["2:12: this is no YAML: expected the node content, but found '<stream end>': 'triggers: ['"],
    ),
    "a closing brace too many": (
        "adapter: a\nstages: {}}",
        ["2:11: this is no YAML: expected <block end>, but found '}': 'stages: {}}'"],
    ),
    "an unclosed double quote": (
        'adapter: "a',
        ["1:10: the quotation mark that begins here is never closed: 'adapter: \"a'"],
    ),
    "an indentation that is off": (
        "adapter: a\nstages:\n  lead: {}\n deal: {}",
        ["4:2: this line begins with 1 spaces, those before it with 0, 2; they must agree: 'deal: {}'"],
    ),
    "a value below a value": (
        "adapter: a\nbackward: follow\n  unmapped: hold",
        ["3:3: this line begins with 2 spaces, those before it with 0; they must agree: 'unmapped: hold'"],
    ),
    "a dash before a key": (
        "adapter: a\n- backward: follow",
        ["2:1: this is no YAML: expected <block end>, but found '-': '- backward: follow'"],
    ),
    "two colons": (
        "adapter: a\nbackward: follow: ignore",
        ["2:17: a value that has a colon and a space in it must stand in quotes: 'backward: follow: ignore'"],
    ),
    "a percent sign at a start": (
        "adapter: a\nfields: {x: %a}",
        ["2:13: this is no YAML: found character '%' that cannot start any token: 'fields: {x: %a}'"],
    ),
    "an at sign at a start": (
        "adapter: a\nfields: {x: @a}",
        ["2:13: this is no YAML: found character '@' that cannot start any token: 'fields: {x: @a}'"],
    ),
    "a backtick at a start": (
        "adapter: a\nfields: {x: `a`}",
        ["2:13: this is no YAML: found character '`' that cannot start any token: 'fields: {x: `a`}'"],
    ),
    "a comma missing": (
        "adapter: a\nstages: {l: {A: one B: won}}",
        ["2:13: the { that begins here is not closed, or a comma is missing after it: 'stages: {l: {A: one B: won}}'"],
    ),
    "a colon without a space": (
        "adapter: a\nstages: {lead: {A:latent}}",
        [
            "2:17: a space is missing after the colon in 'A:latent'; write `key: value`",
            f"2:25: found nothing; a status is expected; allowed: {STATUS_CODES}, ignore",
        ],
    ),
    "an unknown escape": (
        'adapter: "\\q"',
        ["1:12: this is no YAML: found unknown escape character 'q': 'adapter: \"\\\\q\"'"],
    ),
    "a tag of Python": (
        "adapter: !!python/object:os.system a",
        ["1:10: the tag tag:yaml.org,2002:python/object:os.system is not allowed; remove it"],
    ),
    "a tag of ones own": ("adapter: !secret a", ["1:10: the tag !secret is not allowed; remove it"]),
    "a reference to nothing": ("adapter: *a", ["1:10: *a refers to another place; write the value out"]),
    "an anchor on a table": ("adapter: a\nstages: &s {lead: {}}", ["2:9: the anchor &s is not allowed; remove it"]),
    "an anchor on a list": ("adapter: a\ntriggers: &t []", ["2:11: the anchor &t is not allowed; remove it"]),
    "an anchor on a key": ("&k adapter: a", ["1:1: the anchor &k is not allowed; remove it"]),
    "a merge of a table": (
        "adapter: a\npush:\n  <<: {lead: {}}",
        [
            "3:3: << without quotes is read as a command by some programs; write '<<'",
            "3:8: unknown key 'lead'; did you mean new_leads? Allowed: status, fields, owner, new_leads",
        ],
    ),
    "a directive of tags": (
        "%TAG ! tag:e.example,2026:\n---\nadapter: a\n",
        ["2:1: directives (%) are not allowed; remove the line"],
    ),
    "a list as a key": (
        "adapter: a\nstages: {? [a] : {A: latent}}",
        ["2:12: a key must be a word; a text in braces must be in quotes"],
    ),
    "a no-break space before a key": (
        "adapter: a\n\xa0backward: follow",
        [
            "2:1: the key '\\xa0backward' begins with a space that is no ordinary one; indent with ordinary ones",
            f"2:1: unknown key '\\xa0backward'; did you mean backward? Allowed: {KEYS}",
        ],
    ),
    "a nul": ("adapter: a\nunmapped: \x00", ["2:11: the character U+0000 is not allowed"]),
    "a lone surrogate": ("adapter: a\nunmapped: \ud800", ["2:11: the character U+D800 is not allowed"]),
    "adapter is a table": ("adapter: {a: b}", [f"1:10: found {BRACES}; a text is expected"]),
    "adapter is empty in quotes": ('adapter: ""', ["1:10: found nothing; a text is expected"]),
    "adapter is yes": (
        "adapter: yes",
        ["1:10: yes without quotes is read as a yes or no by some programs; write 'yes'"],
    ),
    "adapter is a date": (
        "adapter: 2026-01-01",
        ["1:10: 2026-01-01 without quotes is read as a date by some programs; write '2026-01-01'"],
    ),
    "adapter is nothing by name": (
        "adapter: null",
        ["1:10: null without quotes is read as nothing by some programs; write 'null'"],
    ),
    "adapter written wrong": (
        "adaptor: a",
        [
            "1:1: the key 'adapter' is missing here",
            f"1:1: unknown key 'adaptor'; did you mean adapter? Allowed: {KEYS}",
        ],
    ),
    "adapter in capitals": (
        "Adapter: a",
        [
            "1:1: the key 'adapter' is missing here",
            f"1:1: unknown key 'Adapter'; did you mean adapter? Allowed: {KEYS}",
        ],
    ),
    "adapter twice and missing nothing": (
        "adapter: a\nbackward: follow\nadapter: a",
        ["3:1: 'adapter' stands twice; it is in line 1 already"],
    ),
    "region in small letters": (
        "adapter: a\nregion: jp",
        ["2:9: 'jp' is no country; did you mean JP?; two letters are expected, such as JP, VN or US"],
    ),
    "region by name": (
        "adapter: a\nregion: Japan",
        ["2:9: 'Japan' is no country; two letters are expected, such as JP, VN or US"],
    ),
    "region by dialling code": (
        "adapter: a\nregion: 81",
        ["2:9: '81' is no country; two letters are expected, such as JP, VN or US"],
    ),
    "Norway without quotes": (
        "adapter: a\nregion: NO",
        ["2:9: NO without quotes is read as a yes or no by some programs; write 'NO'"],
    ),
    "region is a list": ("adapter: a\nregion: [JP]", ["2:9: found a list; a text is expected"]),
    "region is nothing": ("adapter: a\nregion:", ["2:8: found nothing; a text is expected"]),
    "region that is none": (
        "adapter: a\nregion: XX",
        ["2:9: 'XX' is no country; two letters are expected, such as JP, VN or US"],
    ),
    "region as a plus": (
        "adapter: a\nregion: +81",
        ["2:9: +81 without quotes is read as another number by some programs; write '+81'"],
    ),
    "backward is a word of unmapped": (
        "adapter: a\nbackward: hold",
        ["2:11: 'hold' is not allowed; allowed: follow, ignore"],
    ),
    "backward is true": ("adapter: a\nbackward: true", ["2:11: 'true' is not allowed; allowed: follow, ignore"]),
    "backward is nothing": ("adapter: a\nbackward:", ["2:10: nothing is not allowed; allowed: follow, ignore"]),
    "backward is a list": (
        "adapter: a\nbackward: [follow]",
        ["2:11: a list is not allowed; did you mean follow? Allowed: follow, ignore"],
    ),
    "backward misspelt": (
        "adapter: a\nbackward: folow",
        ["2:11: 'folow' is not allowed; did you mean follow? Allowed: follow, ignore"],
    ),
    "unmapped in capitals": (
        "adapter: a\nunmapped: HOLD",
        ["2:11: 'HOLD' is not allowed; did you mean hold? Allowed: hold, ignore"],
    ),
    "unmapped is a number": ("adapter: a\nunmapped: 1", ["2:11: '1' is not allowed; allowed: hold, ignore"]),
    "unmapped twice": (
        "adapter: a\nunmapped: hold\nunmapped: ignore",
        ["3:1: 'unmapped' stands twice; it is in line 2 already"],
    ),
    "stages are a text": ("adapter: a\nstages: lead", ["2:9: found the text 'lead'; `key: value` lines are expected"]),
    "stages are a list": ("adapter: a\nstages: [lead]", ["2:9: found a list; `key: value` lines are expected"]),
    "an object is a text": (
        "adapter: a\nstages: {lead: latent}",
        ["2:16: found the text 'latent'; `key: value` lines are expected"],
    ),
    "an object is nothing": ("adapter: a\nstages: {lead: }", ["2:15: found nothing; `key: value` lines are expected"]),
    "an object is a list": (
        "adapter: a\nstages: {lead: [NEW]}",
        ["2:16: found a list; `key: value` lines are expected"],
    ),
    "an object named yes": (
        "adapter: a\nstages: {yes: {A: latent}}",
        ["2:10: yes without quotes is read as a yes or no by some programs; write 'yes'"],
    ),
    "an object twice": (
        "adapter: a\nstages:\n  lead: {A: latent}\n  lead: {B: latent}",
        ["4:3: 'lead' stands twice; it is in line 3 already"],
    ),
    "a pipeline with leading zeros": (
        "adapter: a\nstages: {deal: {007: {A: latent}}}",
        ["2:17: 007 without quotes is read as another number by some programs; write '007'"],
    ),
    "a pipeline with a decimal": (
        "adapter: a\nstages: {deal: {1.0: {A: latent}}}",
        ["2:17: 1.0 without quotes is read as another number by some programs; write '1.0'"],
    ),
    "a pipeline in hexadecimal": (
        "adapter: a\nstages: {deal: {0x1F: {A: latent}}}",
        ["2:17: 0x1F without quotes is read as another number by some programs; write '0x1F'"],
    ),
    "a pipeline within a pipeline": (
        "adapter: a\nstages: {deal: {0: {1: {A: latent}}}}",
        [f"2:24: found {BRACES}; a status is expected; allowed: {STATUS_CODES}, ignore"],
    ),
    "a pipeline is a list of stages": (
        "adapter: a\nstages: {deal: {0: [A], 1: {A: latent}}}",
        ["2:17: '0' is a stage beside pipelines; put it below its pipeline"],
    ),
    "a pipeline is nothing": (
        "adapter: a\nstages: {deal: {0: {A: latent}, 1: }}",
        ["2:33: '1' is a stage beside pipelines; put it below its pipeline"],
    ),
    "a stage twice in its pipeline": (
        "adapter: a\nstages: {deal: {0: {A: latent, A: order}}}",
        ["2:32: 'A' stands twice; it is in line 2 already"],
    ),
    "a stage named on": (
        "adapter: a\nstages: {lead: {on: latent}}",
        ["2:17: on without quotes is read as a yes or no by some programs; write 'on'"],
    ),
    "a stage named null": (
        "adapter: a\nstages: {lead: {null: latent}}",
        ["2:17: null without quotes is read as nothing by some programs; write 'null'"],
    ),
    "a stage with an underscore in its number": (
        "adapter: a\nstages: {lead: {1_000: latent}}",
        ["2:17: 1_000 without quotes is read as another number by some programs; write '1_000'"],
    ),
    "a stage as an exponent": (
        "adapter: a\nstages: {lead: {1e3: latent}}",
        ["2:17: 1e3 without quotes is read as another number by some programs; write '1e3'"],
    ),
    "a stage that is infinite": (
        "adapter: a\nstages: {lead: {.inf: latent}}",
        ["2:17: .inf without quotes is read as another number by some programs; write '.inf'"],
    ),
    "a stage that is no number": (
        "adapter: a\nstages: {lead: {.nan: latent}}",
        ["2:17: .nan without quotes is read as another number by some programs; write '.nan'"],
    ),
    "a stage as a time of day": (
        "adapter: a\nstages: {lead: {12:30:45: latent}}",
        ["2:17: 12:30:45 without quotes is read as a number of minutes or seconds by some programs; write '12:30:45'"],
    ),
    "a stage as an equals sign": (
        "adapter: a\nstages: {lead: {=: latent}}",
        ["2:17: = without quotes is read as a command by some programs; write '='"],
    ),
    "a stage with a plus": (
        "adapter: a\nstages: {lead: {+7: latent}}",
        ["2:17: +7 without quotes is read as another number by some programs; write '+7'"],
    ),
    "a stage in octal": (
        "adapter: a\nstages: {lead: {0o17: latent}}",
        ["2:17: 0o17 without quotes is read as another number by some programs; write '0o17'"],
    ),
    "a stage of nothing": ('adapter: a\nstages: {lead: {"": latent}}', ["2:17: found nothing; a text is expected"]),
    "a stage too long": (
        "adapter: a\nstages: {lead: {" + "S" * 201 + ": latent}}",
        ["2:17: the text is longer than 200 characters"],
    ),
    "a status misspelt in Japanese": (
        "adapter: a\nstages: {lead: {A: 潜材}}",
        [f"2:20: '潜材' is no status; allowed: {STATUS_CODES}, ignore"],
    ),
    "a status that is far off": (
        "adapter: a\nstages: {lead: {A: qqq}}",
        [f"2:20: 'qqq' is no status; allowed: {STATUS_CODES}, ignore"],
    ),
    "a status by its rank": (
        "adapter: a\nstages: {lead: {A: 3}}",
        [f"2:20: '3' is no status; allowed: {STATUS_CODES}, ignore"],
    ),
    "a status that is no": (
        "adapter: a\nstages: {lead: {A: no}}",
        [f"2:20: 'no' is no status; allowed: {STATUS_CODES}, ignore"],
    ),
    "a status in a table of three levels": (
        "adapter: a\nstages: {lead: {A: {B: {C: latent}}}}",
        [f"2:24: found {BRACES}; a status is expected; allowed: {STATUS_CODES}, ignore"],
    ),
    "two wrong statuses": (
        "adapter: a\nstages:\n  lead:\n    A: latnt\n    B: ordr",
        [
            f"4:8: 'latnt' is no status; did you mean latent? Allowed: {STATUS_CODES}, ignore",
            f"5:8: 'ordr' is no status; did you mean order? Allowed: {STATUS_CODES}, ignore",
        ],
    ),
    "a status of the older template": (
        "adapter: a\nstages: {lead: {A: in_progress}}",
        [f"2:20: 'in_progress' is no status; allowed: {STATUS_CODES}, ignore"],
    ),
    "ignore in capitals": (
        "adapter: a\nstages: {lead: {A: IGNORE}}",
        [f"2:20: 'IGNORE' is no status; did you mean ignore? Allowed: {STATUS_CODES}, ignore"],
    ),
    "a count of none": (
        "adapter: a\nstages: {deal: {A: []}}",
        ["2:20: a list for the 1st, the 2nd and so on has 2 to 20 statuses; this one has 0"],
    ),
    "a count of one": (
        "adapter: a\nstages: {deal: {A: [order]}}",
        ["2:20: a list for the 1st, the 2nd and so on has 2 to 20 statuses; this one has 1"],
    ),
    "a count of too many": (
        "adapter: a\nstages: {deal: {A: [" + ", ".join(["order"] * 21) + "]}}",
        ["2:20: a list for the 1st, the 2nd and so on has 2 to 20 statuses; this one has 21"],
    ),
    "a count with a wrong status": (
        "adapter: a\nstages: {deal: {A: [order, loyl, visted]}}",
        [
            f"2:28: 'loyl' is no status; allowed: {STATUS_CODES}",
            f"2:34: 'visted' is no status; did you mean visited? Allowed: {STATUS_CODES}",
        ],
    ),
    "a count with ignore": (
        "adapter: a\nstages: {deal: {A: [ignore, order]}}",
        [f"2:21: 'ignore' is no status; allowed: {STATUS_CODES}"],
    ),
    "a count of a count": (
        "adapter: a\nstages: {deal: {A: [order, [visited, order]]}}",
        [f"2:28: found a list; a status is expected; allowed: {STATUS_CODES}"],
    ),
    "a count with a table": (
        "adapter: a\nstages: {deal: {A: [order, {B: order}]}}",
        [f"2:28: found {BRACES}; a status is expected; allowed: {STATUS_CODES}"],
    ),
    "a trigger that counts one": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: [order]}]",
        ["2:36: a list for the 1st, the 2nd and so on has 2 to 20 statuses; this one has 1"],
    ),
    "a trigger that counts wrongly": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: [order, oder]}]",
        [f"2:44: 'oder' is no status; did you mean order? Allowed: {STATUS_CODES}"],
    ),
    "triggers are a text": (
        "adapter: a\ntriggers: webinar",
        ["2:11: found the text 'webinar'; a list is expected, each entry after a dash"],
    ),
    "triggers are nothing": (
        "adapter: a\ntriggers:",
        ["2:10: found nothing; a list is expected, each entry after a dash"],
    ),
    "a trigger is a list": (
        "adapter: a\ntriggers: [[a]]",
        ["2:12: found a list; allowed: a table of id, on, when, jump_to, reopen"],
    ),
    "a trigger with an unknown key": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: latent, jumpto: latent}]",
        ["2:44: unknown key 'jumpto'; did you mean jump_to? Allowed: id, on, when, jump_to, reopen"],
    ),
    "a trigger without an id": (
        "adapter: a\ntriggers: [{on: x, jump_to: latent}]",
        ["2:12: the key 'id' is missing here"],
    ),
    "a trigger without an event": (
        "adapter: a\ntriggers: [{id: a, jump_to: latent}]",
        ["2:12: the key 'on' is missing here"],
    ),
    "a trigger without a status": (
        "adapter: a\ntriggers: [{id: a, on: x}]",
        ["2:12: the key 'jump_to' is missing here"],
    ),
    "a trigger's id is nothing": (
        "adapter: a\ntriggers: [{id: , on: x, jump_to: latent}]",
        ["2:16: found nothing; a text is expected"],
    ),
    "a trigger's id is a list": (
        "adapter: a\ntriggers: [{id: [a], on: x, jump_to: latent}]",
        ["2:17: found a list; a text is expected"],
    ),
    "a trigger's event is a list": (
        "adapter: a\ntriggers: [{id: a, on: [x, y], jump_to: latent}]",
        ["2:24: found a list; a text is expected"],
    ),
    "a trigger's event is off": (
        "adapter: a\ntriggers: [{id: a, on: off, jump_to: latent}]",
        ["2:24: off without quotes is read as a yes or no by some programs; write 'off'"],
    ),
    "a trigger's status is misspelt": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: explict}]",
        [f"2:36: 'explict' is no status; did you mean explicit? Allowed: {STATUS_CODES}"],
    ),
    "a trigger's status is a table": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: {a: b}}]",
        [f"2:36: found {BRACES}; a status is expected; allowed: {STATUS_CODES}"],
    ),
    "a trigger's condition is a table": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: latent, when: {form: 12}}]",
        [f"2:50: found {BRACES}; a text is expected"],
    ),
    "a trigger's condition is true": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: latent, when: true}]",
        ["2:50: true without quotes is read as a yes or no by some programs; write 'true'"],
    ),
    "a trigger's condition is unfinished": (
        'adapter: a\ntriggers: [{id: a, on: x, jump_to: latent, when: "form =="}]',
        ["2:50: 'form ==' is no JMESPath: something is missing at its end"],
    ),
    "a trigger's condition with double quotes for a text": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: latent, when: 'form == \"12'}]",
        ["2:50: 'form == \"12' is no JMESPath: character 9 is not understood; a text stands in '…'"],
    ),
    "reopen is 1": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: latent, reopen: 1}]",
        ["2:52: found the text '1'; allowed: true, false (without quotes)"],
    ),
    "reopen is nothing": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: latent, reopen: }]",
        ["2:51: found nothing; allowed: true, false (without quotes)"],
    ),
    "reopen in capitals": (
        "adapter: a\ntriggers: [{id: a, on: x, jump_to: latent, reopen: TRUE}]",
        ["2:52: found the text 'TRUE'; allowed: true, false (without quotes)"],
    ),
    "reopen twice": (
        "adapter: a\ntriggers:\n- id: a\n  on: x\n  jump_to: latent\n  reopen: true\n  reopen: false",
        ["7:3: 'reopen' stands twice; it is in line 6 already"],
    ),
    "three triggers of one name": (
        ("adapter: a\ntriggers:\n" + "- {id: a, on: x, jump_to: latent}\n" * 3),
        [
            "4:8: the id 'a' stands twice; it is in line 3 already",
            "5:8: the id 'a' stands twice; it is in line 3 already",
        ],
    ),
    "two lists of triggers": (
        "adapter: a\ntriggers: []\ntriggers: []",
        ["3:1: 'triggers' stands twice; it is in line 2 already"],
    ),
    "actions are a list": ("adapter: a\nactions: [x]", ["2:10: found a list; `key: value` lines are expected"]),
    "actions are a text": (
        "adapter: a\nactions: login",
        ["2:10: found the text 'login'; `key: value` lines are expected"],
    ),
    "an action is nothing": ("adapter: a\nactions: {x: }", [f"2:13: nothing is not allowed; allowed: {ACTIONS}"]),
    "an action is a list": (
        "adapter: a\nactions: {x: [login]}",
        [f"2:14: a list is not allowed; did you mean login? Allowed: {ACTIONS}"],
    ),
    "an action is a table": (
        "adapter: a\nactions: {x: {y: login}}",
        [f"2:14: {BRACES} is not allowed; allowed: {ACTIONS}"],
    ),
    "an action is a status": (
        "adapter: a\nactions: {x: latent}",
        [f"2:14: 'latent' is not allowed; allowed: {ACTIONS}"],
    ),
    "an action is misspelt": (
        "adapter: a\nactions: {x: log_in}",
        [f"2:14: 'log_in' is not allowed; did you mean login? Allowed: {ACTIONS}"],
    ),
    "an action's event is no": (
        "adapter: a\nactions: {no: login}",
        ["2:11: no without quotes is read as a yes or no by some programs; write 'no'"],
    ),
    "an action's event twice": (
        "adapter: a\nactions: {x: login, x: ignore}",
        ["2:21: 'x' stands twice; it is in line 2 already"],
    ),
    "an action's event is a date and time": (
        "adapter: a\nactions: {2026-03-31T10:00:00Z: login}",
        ["2:11: 2026-03-31T10:00:00Z without quotes is read as a date by some programs; write '2026-03-31T10:00:00Z'"],
    ),
    "fields are a list": ("adapter: a\nfields: [email]", ["2:9: found a list; `key: value` lines are expected"]),
    "fields are a text": (
        "adapter: a\nfields: email",
        ["2:9: found the text 'email'; `key: value` lines are expected"],
    ),
    "a field in capitals": (
        "adapter: a\nfields: {EMAIL: x}",
        ["2:10: 'EMAIL' is no name of a field, such as company or custom.budget"],
    ),
    "a field with a dot": (
        "adapter: a\nfields: {address.city: x}",
        ["2:10: 'address.city' is no name of a field, such as company or custom.budget"],
    ),
    "a field of custom without a name": (
        "adapter: a\nfields: {custom.: x}",
        ["2:10: 'custom.' is no name of a field, such as company or custom.budget"],
    ),
    "a field that begins with a digit": (
        "adapter: a\nfields: {2nd: x}",
        ["2:10: '2nd' is no name of a field, such as company or custom.budget"],
    ),
    "a field's name too long": (
        "adapter: a\nfields: {" + "x" * 64 + ": x}",
        ["2:10: '" + "x" * 60 + "…' is no name of a field, such as company or custom.budget"],
    ),
    "a field twice": (
        "adapter: a\nfields: {email: x, email: y}",
        ["2:20: 'email' stands twice; it is in line 2 already"],
    ),
    "a field of nothing": ("adapter: a\nfields: {email: }", ["2:16: found nothing; a text is expected"]),
    "a field is a list": (
        "adapter: a\nfields: {email: [x]}",
        ["2:17: found a list; allowed: a table of from, type, conflict"],
    ),
    "a field without from": ("adapter: a\nfields: {email: {type: email}}", ["2:17: the key 'from' is missing here"]),
    "a field with an unknown key": (
        "adapter: a\nfields: {email: {from: x, typ: email}}",
        ["2:27: unknown key 'typ'; did you mean type? Allowed: from, type, conflict"],
    ),
    "a field's from is a list": (
        "adapter: a\nfields: {email: {from: [x]}}",
        ["2:24: found a list; a text is expected"],
    ),
    "a field's from is nothing": ("adapter: a\nfields: {email: {from: }}", ["2:23: found nothing; a text is expected"]),
    "a field's type is misspelt": (
        "adapter: a\nfields: {email: {from: x, type: e-mail}}",
        [f"2:33: 'e-mail' is not allowed; did you mean email? Allowed: {TYPES}"],
    ),
    "a field's type is a number": (
        "adapter: a\nfields: {email: {from: x, type: 1}}",
        [f"2:33: '1' is not allowed; allowed: {TYPES}"],
    ),
    "a field's type is another's word": (
        "adapter: a\nfields: {email: {from: x, type: float}}",
        [f"2:33: 'float' is not allowed; allowed: {TYPES}"],
    ),
    "a field's type is a list": (
        "adapter: a\nfields: {email: {from: x, type: [list]}}",
        [f"2:33: a list is not allowed; did you mean list? Allowed: {TYPES}"],
    ),
    "a field's conflict is misspelt": (
        "adapter: a\nfields: {email: {from: x, conflict: their}}",
        ["2:37: 'their' is not allowed; did you mean theirs? Allowed: newest, theirs, ours, if_empty"],
    ),
    "a field's conflict is nothing": (
        "adapter: a\nfields: {email: {from: x, conflict: }}",
        ["2:36: nothing is not allowed; allowed: newest, theirs, ours, if_empty"],
    ),
    "a field's conflict is another word": (
        "adapter: a\nfields: {email: {from: x, conflict: last}}",
        ["2:37: 'last' is not allowed; allowed: newest, theirs, ours, if_empty"],
    ),
    "more than 500 fields": (
        "adapter: a\nfields:\n" + "".join(f"  f{n}: x\n" for n in range(501)),
        ["3:3: 501 entries stand here; at most 500 are allowed"],
    ),
    "an expression that ends with a dot": (
        'adapter: a\nfields:\n  x: "a."',
        ["3:6: 'a.' is no JMESPath: something is missing at its end"],
    ),
    "an expression that begins with a dot": (
        'adapter: a\nfields:\n  x: ".a"',
        ["3:6: '.a' is no JMESPath: '.' at character 1 is not expected there"],
    ),
    "an expression that has an open bracket": (
        'adapter: a\nfields:\n  x: "a[0"',
        ["3:6: 'a[0' is no JMESPath: something is missing at its end"],
    ),
    "an expression that has an open filter": (
        "adapter: a\nfields:\n  x: \"a[?b=='c'\"",
        ["3:6: \"a[?b=='c'\" is no JMESPath: something is missing at its end"],
    ),
    "an expression that has an open function": (
        'adapter: a\nfields:\n  x: "length(a"',
        ["3:6: 'length(a' is no JMESPath: something is missing at its end"],
    ),
    "an expression that has a closing bracket too many": (
        'adapter: a\nfields:\n  x: "a]"',
        ["3:6: 'a]' is no JMESPath: ']' at character 2 is not expected there"],
    ),
    "an expression that is a number": (
        'adapter: a\nfields:\n  x: "12"',
        ["3:6: '12' is no JMESPath: 12 at character 1 is not expected there"],
    ),
    "an expression that has two dots": (
        'adapter: a\nfields:\n  x: "a..b"',
        ["3:6: 'a..b' is no JMESPath: '.' at character 3 is not expected there"],
    ),
    "an expression that has an open text": (
        'adapter: a\nfields:\n  x: "a == \'b"',
        ["3:6: \"a == 'b\" is no JMESPath: character 6 is not understood; a text stands in '…'"],
    ),
    "an expression that has a slice of nothing": (
        'adapter: a\nfields:\n  x: "a[::0]"',
        ["3:6: the step of a slice [start:end:step] must not be 0"],
    ),
    "an expression that compares with one sign": (
        'adapter: a\nfields:\n  x: "a = b"',
        ["3:6: 'a = b' is no JMESPath: character 3 is not understood; a text stands in '…'"],
    ),
    "an expression that has a dollar": (
        'adapter: a\nfields:\n  x: "$.a"',
        ["3:6: '$.a' is no JMESPath: character 1 is not understood; a text stands in '…'"],
    ),
    "an expression that has an unknown variable function": (
        'adapter: a\nfields:\n  x: "upper(a)"',
        [f"3:6: there is no function upper(); allowed: {FUNCTIONS}"],
    ),
    "an expression that calls max_by with one value": (
        'adapter: a\nfields:\n  x: "max_by(a)"',
        ["3:6: the function max_by() takes 2 values, not 1"],
    ),
    "an expression that calls not_null with none": (
        'adapter: a\nfields:\n  x: "not_null()"',
        ["3:6: the function not_null() takes 1 values or more, not 0"],
    ),
    "an expression that has a hyphen": (
        'adapter: a\nfields:\n  x: "form-id"',
        ["3:6: 'form-id' is no JMESPath: character 5 is not understood; a text stands in '…'"],
    ),
    "an expression that has a space in a name": (
        'adapter: a\nfields:\n  x: "form id"',
        ["3:6: 'form id' is no JMESPath: 'id' at character 6 is not expected there"],
    ),
    "an expression that has a bad literal": (
        'adapter: a\nfields:\n  x: "a == `{`"',
        ["3:6: `{` is no number, true, false or null; a text stands in '…'"],
    ),
    "owner is a text": (
        "adapter: a\nowner: ASSIGNED_BY_ID",
        ["2:8: found the text 'ASSIGNED_BY_ID'; allowed: a table of from, match, table, conflict, unknown"],
    ),
    "owner is a list": (
        "adapter: a\nowner: []",
        ["2:8: found a list; allowed: a table of from, match, table, conflict, unknown"],
    ),
    "owner is nothing": (
        "adapter: a\nowner:",
        ["2:7: found nothing; allowed: a table of from, match, table, conflict, unknown"],
    ),
    "owner with an unknown key": (
        "adapter: a\nowner: {form: x}",
        ["2:9: unknown key 'form'; did you mean from? Allowed: from, match, table, conflict, unknown"],
    ),
    "owner's from is a list": ("adapter: a\nowner: {from: [x]}", ["2:15: found a list; a text is expected"]),
    "owner's match is misspelt": (
        "adapter: a\nowner: {match: mail}",
        ["2:16: 'mail' is not allowed; did you mean email? Allowed: email, table"],
    ),
    "owner's match is yes": ("adapter: a\nowner: {match: yes}", ["2:16: 'yes' is not allowed; allowed: email, table"]),
    "owner's table is a list": (
        "adapter: a\nowner: {match: table, table: [17]}",
        ["2:30: found a list; `key: value` lines are expected"],
    ),
    "owner's table has an id twice": (
        "adapter: a\nowner:\n  match: table\n  table: {17: a@e.example, 17: b@e.example}",
        ["4:28: '17' stands twice; it is in line 4 already"],
    ),
    "owner's table has leading zeros": (
        "adapter: a\nowner: {match: table, table: {017: a@e.example}}",
        ["2:31: 017 without quotes is read as another number by some programs; write '017'"],
    ),
    "owner's table has nobody": (
        "adapter: a\nowner: {match: table, table: {17: }}",
        ["2:34: found nothing; a text is expected"],
    ),
    "owner's table has two addresses": (
        "adapter: a\nowner: {match: table, table: {17: 'a@e.example, b@e.example'}}",
        ["2:35: 'a@e.example, b@e.example' is no e-mail address"],
    ),
    "owner's table has a list": (
        "adapter: a\nowner: {match: table, table: {17: [a@e.example]}}",
        ["2:35: found a list; a text is expected"],
    ),
    "owner's conflict is misspelt": (
        "adapter: a\nowner: {conflict: newst}",
        ["2:19: 'newst' is not allowed; did you mean newest? Allowed: newest, theirs, ours, if_empty"],
    ),
    "owner's unknown is a word of backward": (
        "adapter: a\nowner: {unknown: follow}",
        ["2:18: 'follow' is not allowed; allowed: hold, ignore"],
    ),
    "owner's unknown is nothing": (
        "adapter: a\nowner: {unknown: }",
        ["2:17: nothing is not allowed; allowed: hold, ignore"],
    ),
    "owner twice": ("adapter: a\nowner: {}\nowner: {}", ["3:1: 'owner' stands twice; it is in line 2 already"]),
    "push is a list": ("adapter: a\npush: [lead]", ["2:7: found a list; `key: value` lines are expected"]),
    "push is nothing": ("adapter: a\npush:", ["2:6: found nothing; `key: value` lines are expected"]),
    "an object's push is a text": (
        "adapter: a\npush: {lead: x}",
        ["2:14: found the text 'x'; allowed: a table of status, fields, owner, new_leads"],
    ),
    "an object's push has an unknown key": (
        "adapter: a\npush: {lead: {stage: {}}}",
        ["2:15: unknown key 'stage'; allowed: status, fields, owner, new_leads"],
    ),
    "pushed statuses are a list": (
        "adapter: a\npush: {lead: {status: [latent]}}",
        ["2:23: found a list; `key: value` lines are expected"],
    ),
    "a pushed status is unknown": (
        "adapter: a\npush: {lead: {status: {latant: {A: b}}}}",
        [f"2:24: 'latant' is no status; did you mean latent? Allowed: {STATUS_CODES}"],
    ),
    "a pushed status is a text": (
        "adapter: a\npush: {lead: {status: {latent: NEW}}}",
        ["2:32: found the text 'NEW'; `key: value` lines are expected"],
    ),
    "a pushed status is ignore": (
        "adapter: a\npush: {lead: {status: {ignore: {A: b}}}}",
        [f"2:24: 'ignore' is no status; allowed: {STATUS_CODES}"],
    ),
    "a pushed value is nothing": (
        "adapter: a\npush: {lead: {status: {latent: {A: }}}}",
        ["2:35: found nothing; a text is expected"],
    ),
    "a pushed value has leading zeros": (
        "adapter: a\npush: {lead: {status: {latent: {A: 0123}}}}",
        ["2:36: 0123 without quotes is read as another number by some programs; write '0123'"],
    ),
    "a pushed value is a date": (
        "adapter: a\npush: {lead: {status: {latent: {A: 2026-03-31}}}}",
        ["2:36: 2026-03-31 without quotes is read as a date by some programs; write '2026-03-31'"],
    ),
    "a pushed value is True": (
        "adapter: a\npush: {lead: {status: {latent: {A: True}}}}",
        ["2:36: True without quotes is read as a yes or no by some programs; write 'True'"],
    ),
    "a pushed value has an exponent": (
        "adapter: a\npush: {lead: {status: {latent: {A: 1e3}}}}",
        ["2:36: 1e3 without quotes is read as another number by some programs; write '1e3'"],
    ),
    "a pushed key is yes": (
        "adapter: a\npush: {lead: {status: {latent: {yes: x}}}}",
        ["2:33: yes without quotes is read as a yes or no by some programs; write 'yes'"],
    ),
    "a pushed value is too long": (
        "adapter: a\npush: {lead: {status: {latent: {A: " + "x" * 2001 + "}}}}",
        ["2:36: the text is longer than 2000 characters"],
    ),
    "pushed fields are a list": (
        "adapter: a\npush: {lead: {fields: [A]}}",
        ["2:23: found a list; `key: value` lines are expected"],
    ),
    "a pushed field is a list": (
        "adapter: a\npush: {lead: {fields: {A: [x]}}}",
        ["2:27: found a list; a text is expected"],
    ),
    "a pushed field is true": (
        "adapter: a\npush: {lead: {fields: {A: true}}}",
        ["2:27: true without quotes is read as a yes or no by some programs; write 'true'"],
    ),
    "a template with an empty name": (
        "adapter: a\npush: {lead: {fields: {A: '{}'}}}",
        [f"2:27: {{}} is not known; allowed: {VIEWS}"],
    ),
    "a template with a closing brace": (
        "adapter: a\npush: {lead: {fields: {A: 'x } y'}}}",
        ["2:27: a single '}' stands at character 3; write '}}' for the sign itself"],
    ),
    "a template with a name of another place": (
        "adapter: a\npush: {lead: {fields: {A: '{since}'}}}",
        [f"2:27: {{since}} is not known; did you mean {{since.iso}}? Allowed: {VIEWS}"],
    ),
    "a template with spaces in its name": (
        "adapter: a\npush: {lead: {fields: {A: '{ owner }'}}}",
        [f"2:27: {{ owner }} is not known; did you mean {{owner}}? Allowed: {VIEWS}"],
    ),
    "a template within a template": (
        "adapter: a\npush: {lead: {fields: {A: '{owner{owner}}'}}}",
        ["2:27: a single '{' stands at character 1; write '{{' for the sign itself"],
    ),
    "a pushed field twice": (
        "adapter: a\npush: {lead: {fields: {A: x, A: y}}}",
        ["2:30: 'A' stands twice; it is in line 2 already"],
    ),
    "a pushed owner is a list": ("adapter: a\npush: {lead: {owner: [X]}}", ["2:22: found a list; a text is expected"]),
    "a pushed owner is nothing": ("adapter: a\npush: {lead: {owner: }}", ["2:21: found nothing; a text is expected"]),
    "an object pushed twice": (
        "adapter: a\npush:\n  lead: {}\n  lead: {}",
        ["4:3: 'lead' stands twice; it is in line 3 already"],
    ),
    "columns are a list": (
        "adapter: a\ncolumns: [id]",
        [f"2:10: found a list; allowed: a table of {', '.join((*COLUMNS, 'fields', 'date_format'))}"],
    ),
    "a column of nothing that there is": (
        "adapter: a\ncolumns: {emial: メール}",
        [(f"2:11: unknown key 'emial'; did you mean email? Allowed: {', '.join((*COLUMNS, 'fields', 'date_format'))}")],
    ),
    "a heading is a table": (
        "adapter: a\ncolumns: {id: {a: b}}",
        ["2:15: found `key: value` (a text with braces must be in quotes); a text is expected"],
    ),
    "headings that are no texts": (
        "adapter: a\ncolumns: {phone: [電話, [], no]}",
        [
            "2:23: found a list; a text is expected",
            "2:27: no without quotes is read as a yes or no by some programs; write 'no'",
        ],
    ),
    "a column of a field that there is not": (
        "adapter: a\nfields: {name: NAME}\ncolumns: {fields: {name: 氏名, company: 会社名}}",
        ["3:30: 'company' is not in the mapping's `fields`, which say how it is read"],
    ),
    "columns of fields without fields": (
        "adapter: a\ncolumns: {fields: {company: 会社名}}",
        ["2:20: 'company' is not in the mapping's `fields`, which say how it is read"],
    ),
    "no format of dates": (
        "adapter: a\ncolumns: {date_format: soon}",
        ["2:24: 'soon' is no format of dates; allowed: YYYY/MM/DD, DD/MM/YYYY, MM/DD/YYYY"],
    ),
    "mistakes in every section": (
        (
            "adapter: a\nregion: xx\nbackward: x\nunmapped: y\nstages: {lead: {A: b}}\n"
            "triggers: [{id: a}]\nactions: {x: y}\nfields: {X: y}\nowner: {match: z}\npush: {lead: {own: A}}"
        ),
        [
            "2:9: 'xx' is no country; two letters are expected, such as JP, VN or US",
            "3:11: 'x' is not allowed; allowed: follow, ignore",
            "4:11: 'y' is not allowed; allowed: hold, ignore",
            f"5:20: 'b' is no status; allowed: {STATUS_CODES}, ignore",
            "6:12: the key 'jump_to' is missing here",
            "6:12: the key 'on' is missing here",
            f"7:14: 'y' is not allowed; allowed: {ACTIONS}",
            "8:10: 'X' is no name of a field, such as company or custom.budget",
            "8:13: y without quotes is read as a yes or no by some programs; write 'y'",
            "9:16: 'z' is not allowed; allowed: email, table",
            "10:15: unknown key 'own'; did you mean owner? Allowed: status, fields, owner, new_leads",
        ],
    ),
}
