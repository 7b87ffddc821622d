"""Secrets in arguments: true on their way, masked wherever anybody looks."""

from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, Field, Secret, SecretBytes, SecretStr

from warrener import InvalidArguments, Settings, TaskSignatureError
from warrener.calls import CallSchema, decode_body
from warrener.catalogue import Catalogue
from warrener.declared import CatalogueEntry
from warrener.keying import text_of
from warrener.masking import HIDDEN, MASK, hidden_body
from warrener.masks import Masks
from warrener.store import Store

WORD = "hunter2"


class Login(BaseModel):
    user: str
    password: SecretStr = Field(alias="pass-word")


@dataclass
class Key:
    name: str
    value: SecretStr


class Tree(BaseModel):
    leaf: SecretStr | None = None
    below: "list[Tree]" = []


def plain(token: SecretStr) -> None: ...
def maybe(user: str, token: SecretStr | int | None = None) -> None: ...
def raw(token: SecretBytes) -> None: ...
def number(token: Secret[int]) -> None: ...
def several(tokens: dict[str, list[SecretStr]], pair: tuple[int, SecretStr]) -> None: ...
def login(login: Login, keys: list[Key]) -> None: ...
def tree(tree: Tree) -> None: ...


CALLS: list[tuple[Any, dict[str, Any]]] = [
    (plain, {"token": WORD}),
    (maybe, {"user": "ann", "token": WORD}),
    (maybe, {"user": "ann", "token": None}),
    (raw, {"token": WORD}),
    (several, {"tokens": {"a": [WORD, "x" + WORD]}, "pair": [1, WORD]}),
    (login, {"login": {"user": "ann", "pass-word": WORD}, "keys": [{"name": "k", "value": WORD}]}),
    (tree, {"tree": {"leaf": WORD, "below": [{"leaf": WORD, "below": []}]}}),
]


@pytest.mark.parametrize("function, kwargs", CALLS)
def test_a_secret_reaches_its_task_and_no_view(function: Any, kwargs: dict[str, Any]) -> None:
    schema = CallSchema("t", function)
    call = schema.bind_json([], kwargs)
    body = schema.encode(call)
    assert schema.bind_json(*decode_body(body)).arguments == call.arguments
    assert schema.encode(schema.bind_json(*decode_body(body))) == body
    if kwargs.get("token", "") is not None:
        assert WORD in body.decode()
    shown = hidden_body(body, schema.json_schema)
    assert WORD not in shown
    assert ("ann" in body.decode()) == ("ann" in shown)
    args = hidden_body(orjson.dumps({"args": list(kwargs.values())}), schema.json_schema)
    assert WORD not in args


def test_a_mask_is_no_secret() -> None:
    schema = CallSchema("t", login)
    masked = {"login": {"user": "ann", "pass-word": MASK}, "keys": [{"name": "k", "value": MASK}]}
    with pytest.raises(InvalidArguments, match="mask of a secret") as caught:
        schema.encode(schema.bind_json([], masked))
    assert [problem["at"] for problem in caught.value.facts["problems"]] == [
        "login.pass-word",
        "keys.0.value",
    ]


def test_a_secret_that_no_schema_tells_is_refused() -> None:
    with pytest.raises(TaskSignatureError, match="use SecretStr"):
        CallSchema("t", number).check()


def test_an_error_does_not_repeat_a_secret() -> None:
    schema = CallSchema("t", login)
    with pytest.raises(InvalidArguments) as caught:
        schema.bind_json([], {"login": {"user": 7, "pass-word": [WORD]}, "keys": []})
    assert WORD not in str(caught.value)


def test_what_cannot_be_read_is_hidden_as_a_whole() -> None:
    schema = CallSchema("t", plain).json_schema
    cut = b'{"args":[],"kwargs":{"token":"hunter2'
    assert hidden_body(cut, schema) == HIDDEN
    assert hidden_body(b"[]", schema) == HIDDEN
    assert WORD not in hidden_body(b'{"args":["hunter2","hunter2"],"kwargs":{}}', schema)


def test_a_key_made_of_a_secret_shows_nothing_and_tells_secrets_apart() -> None:
    one, other = text_of(SecretStr(WORD)), text_of(SecretStr("other"))
    assert one != other
    assert WORD not in str(one)
    assert text_of(SecretStr(WORD)) == one


async def test_the_masks_are_those_that_workers_published(store: Store) -> None:
    settings = Settings()
    schema = CallSchema("t", maybe).json_schema
    entries = [
        CatalogueEntry("t", "q", schema, {}),
        CatalogueEntry("u", "q", {"type": "object"}, {}),
    ]
    await Catalogue(settings, store).publish(entries)
    masks = Masks(settings, store)
    assert await masks.arguments("t", ["ann"], {"token": WORD}) == (["ann"], {"token": MASK})
    assert await masks.arguments("u", [], {"token": WORD}) == ([], {"token": WORD})
