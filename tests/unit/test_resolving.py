"""The result of a step becomes the first argument of the next one, and everything else stays as it was."""

from __future__ import annotations

import json

import pytest

from warrener.workflows.resolving import with_input


@pytest.mark.parametrize(
    "body",
    [
        b'{"args":[],"kwargs":{"n":1180591620717411303424}}',
        b'{"args":[1180591620717411303424],"kwargs":{}}',
        b'{ "kwargs": {"n": 1180591620717411303424}, "args": [1180591620717411303424, "\xc3\xbc"] }',
    ],
)
def test_a_result_is_put_before_the_arguments(body: bytes) -> None:
    before = json.loads(body)
    found = json.loads(with_input(body, b'{"of":[2361183241434822606848]}'))
    assert found == {"args": [{"of": [2**71]}, *before["args"]], "kwargs": before["kwargs"]}
