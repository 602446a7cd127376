"""The errors: four branches by who must act, each with its own reason word."""

from __future__ import annotations

from connector.core import errors
from connector.core.errors import ConnectorError, CrmError, OperatorError, SalesOpsError, SenderError

ALL = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, ConnectorError)]
BRANCHES = (SenderError, SalesOpsError, CrmError, OperatorError)


def test_every_error_is_in_one_branch_and_a_reason_is_the_word_of_one_kind() -> None:
    leaves = [error for error in ALL if error not in {ConnectorError, *BRANCHES}]
    assert [sum(issubclass(error, branch) for branch in BRANCHES) for error in leaves] == [1] * len(leaves)
    reasons = [error.reason for error in ALL if "reason" in vars(error)]
    assert sorted(set(reasons)) == sorted(reasons)


def test_an_error_says_what_is_wrong_and_keeps_the_parts() -> None:
    payload = errors.BadPayload("not a number", "$.id")
    stage = errors.Unmapped("stage", "NEW")
    assert (str(payload), payload.path) == ("$.id: not a number", "$.id")
    assert (str(stage), stage.what, stage.name) == ("no entry in the mapping for stage 'NEW'", "stage", "NEW")
    assert errors.CrmUnavailable("busy", 3.0).retry_after == 3.0
    assert errors.CrmUnavailable("busy").retry_after is None
