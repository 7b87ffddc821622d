"""Secrets in arguments: true on their way, masked wherever anybody looks."""

import re
from dataclasses import dataclass, replace
from typing import Annotated, Any

import orjson
import pytest
from pydantic import BaseModel, Field, Json, Secret, SecretBytes, SecretStr
from pydantic_core import from_json, to_json

from warrener import InvalidArguments, Limits, Settings, TaskSignatureError, Unique, Warrener
from warrener.asking import shown
from warrener.calls import CallSchema, decode_body
from warrener.catalogue import Catalogue
from warrener.dead_letters import Death, bury
from warrener.declared import CatalogueEntry
from warrener.editing import Edit, check
from warrener.keying import Keyed, concurrency_key, uniqueness
from warrener.letter_index import DeadLetterIndex
from warrener.masking import HIDDEN, MASK, hidden_body
from warrener.masks import Masks
from warrener.messages import Message
from warrener.operations import Wanted
from warrener.records import JobError
from warrener.selecting import ALL, Selection
from warrener.store import Store
from warrener.tasks import Options
from warrener_workers import registry

WORD = "hunter2"
PIN = "8462"


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
def perhaps(token: SecretStr | None) -> None: ...
def named(tokens: dict[Annotated[str, Field(pattern="^a")], SecretStr]) -> None: ...
def wrapped(login: Json[Login]) -> None: ...
def beside(login: Login, other: dict[str, Any]) -> None: ...
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

    def edit() -> None:
        check("t", masked, schema.json_schema)

    def receive() -> None:
        schema.bind_json([], masked)

    def send() -> None:
        call = schema.bind(
            [Login(user="ann", **{"pass-word": MASK}), [Key("k", SecretStr(MASK))]], {}
        )
        schema.encode(call)

    for way in (edit, receive, send):
        with pytest.raises(InvalidArguments, match="mask of a secret") as caught:
            way()
        assert [problem["at"] for problem in caught.value.facts["problems"]] == [
            "login.pass-word",
            "keys.0.value",
        ]
    CallSchema("t", maybe).bind_json([MASK], {"token": None})  # who is no secret may be called so


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


SHAPES: list[tuple[Any, dict[str, Any]]] = [
    (plain, {"args": WORD}),
    (plain, {"args": {"token": WORD}}),
    (plain, {"kwargs": [WORD]}),
    (plain, {"kwargs": WORD}),
    (plain, {"kwargs": {}, "token": WORD}),
    (plain, {"kwargs": {"tokn": WORD}}),
    (plain, {"kwargs": {"token": {"value": WORD}}}),
    (maybe, {"kwargs": {"user": "ann", "token": [WORD]}}),
    (maybe, {"kwargs": {"user": "ann", "token": {"it": WORD}}}),
    (perhaps, {"kwargs": {"token": int(PIN)}}),
    (several, {"kwargs": {"tokens": WORD, "pair": WORD}}),
    (several, {"kwargs": {"tokens": [WORD], "pair": [1, 2, WORD]}}),
    (login, {"kwargs": {"login": WORD, "keys": {"k": WORD}}}),
    (login, {"kwargs": {"login": {"password": WORD}, "keys": [WORD]}}),
    (named, {"kwargs": {"tokens": {"a": WORD, "b": WORD}}}),
    (wrapped, {"kwargs": {"login": orjson.dumps({"pass-word": WORD}).decode()}}),
]


@pytest.mark.parametrize("function, content", SHAPES)
def test_what_is_not_of_its_shape_is_hidden(function: Any, content: dict[str, Any]) -> None:
    shown = hidden_body(orjson.dumps(content), CallSchema("t", function).json_schema)
    assert not {WORD, PIN} & set(re.findall(r"\w+", shown))


def test_what_cannot_be_secret_is_shown() -> None:
    def shown(function: Any, **kwargs: Any) -> Any:
        text = hidden_body(to_json({"kwargs": kwargs}), CallSchema("t", function).json_schema)
        return from_json(text)["kwargs"]

    assert shown(maybe, user="ann", token=7) == {"user": "ann", "token": 7}
    assert shown(several, tokens={}, pair=[2**70, WORD]) == {"tokens": {}, "pair": [2**70, MASK]}
    assert shown(beside, login={"user": "ann"}, other={"more": WORD}) == {
        "login": {"user": "ann"},
        "other": {"more": WORD},
    }


def test_a_key_made_of_a_secret_shows_nothing_whoever_sends() -> None:
    app = Warrener()

    @app.task(name="t", queue="q", limits=Limits(max_per_key=1, key="token"))
    def limited(user: str, token: SecretStr) -> None: ...

    entry = CatalogueEntry("t", "q", limited.schema.json_schema, {}, keyed=True, key="token")
    declared, published = Keyed.of(app.tasks["t"]), Keyed.published(entry)
    key = concurrency_key(declared, Options(), {"user": "ann", "token": SecretStr(WORD)})
    assert key is not None
    assert WORD not in key
    assert concurrency_key(published, Options(), {"user": "ann", "token": WORD}) == key
    assert concurrency_key(published, Options(), {"user": "ann", "token": "other"}) != key


LOGIN = Login.model_validate({"user": "ann", "pass-word": PIN})


@pytest.mark.parametrize("by", [("token",), ("login", "token"), ("user",), None])
def test_a_default_that_is_secret_makes_the_same_keys_whoever_sends(
    by: tuple[str, ...] | None,
) -> None:
    app = Warrener(default_queue="q")

    @app.task(name="t", limits=Limits(max_per_key=1, key="token"), unique=Unique(by=by))
    def limited(
        user: str = "ann",
        token: SecretStr = SecretStr(WORD),  # noqa: B008
        login: Login = LOGIN,
    ) -> None: ...

    described = registry.describe(app)
    assert not {WORD, PIN} & set(re.findall(r"\w+", described.decode()))
    [entry] = registry.parse(described).catalogue
    declared, published = Keyed.of(app.tasks["t"]), Keyed.published(entry)

    def keys(keyed: Keyed, **arguments: Any) -> tuple[Any, ...]:
        key = concurrency_key(keyed, Options(), arguments)
        return key, uniqueness(keyed, arguments)["unique"]

    usual, other = keys(declared), keys(declared, token=SecretStr("other"))
    assert usual == keys(published) == keys(declared, token=SecretStr(WORD))
    assert usual == keys(published, token=WORD)
    assert other == keys(published, token="other")
    assert (other[0] == usual[0], other[1] == usual[1]) == (False, by == ("user",))


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
    assert await masks.arguments("u", [1, "a"], {"token": WORD}) == ([1, "a"], {"token": WORD})


UNKNOWN = [
    (
        b'{"args": ["hunter2", null], "kwargs": {"user": "ann", "deep": {"token": "hunter2"}}}',
        "user",
    ),
    (b'{"kwargs": ["hunter2"]}', "hidden"),
    (b'{"token": "hunter2"}', "hidden"),
    (b"hunter2", "hidden"),
    (b"\xffhunter2", "hidden"),
]


@pytest.mark.parametrize("body, seen", UNKNOWN)
async def test_of_a_task_that_no_worker_has_published_nothing_is_shown_but_names(
    store: Store, body: bytes, seen: str
) -> None:
    index = DeadLetterIndex(Settings(), store)
    death = Death(JobError("E", "m", "", "unknown_task"), 1.0, "w")
    _, letter = bury(Message("j", "t", body), "q", death)
    await index.add([letter])
    shown = await index.find(letter.id)
    assert shown is not None
    assert "`warrener dead reindex q`" in shown.hidden
    assert WORD not in shown.body
    assert "ann" not in shown.body
    assert seen in shown.body
    [line] = (await index.search(["q"])).letters
    assert (WORD in line.arguments, seen in line.arguments) == (False, True)
    assert await index.count("q", Selection(text=WORD)) == 0
    # Published and listed again, it is shown as any other.
    await Catalogue(Settings(), store).publish([CatalogueEntry("t", "q", {"type": "object"}, {})])
    fresh = DeadLetterIndex(Settings(), store)
    await fresh.add([letter])
    assert await fresh.find(letter.id) == letter


async def test_of_a_task_that_no_worker_has_published_a_schedule_shows_names(store: Store) -> None:
    masks = Masks(Settings(), store)
    assert await masks.arguments("t", [WORD], {"a": WORD}) == ([MASK], {"a": MASK})


# Edits -----------------------------------------------------------------------------------------------


def edit_of(**arguments: Any) -> Edit:
    return Edit(arguments, {"t": CallSchema("t", login).json_schema}, "op", "ann", 0.0)


JOB = Message(
    "j", "t", orjson.dumps({"kwargs": {"login": {"user": 7, "pass-word": WORD}, "keys": []}})
)


def test_what_was_asked_for_names_the_arguments_it_changes_and_no_more() -> None:
    wanted = Wanted("replay", "q", "ann", ALL, edit={"token": WORD})
    assert shown(wanted)["edit"] == ["token"]
    assert "edit" not in shown(replace(wanted, edit=None))


def test_the_record_of_an_edit_has_no_secret() -> None:
    note = edit_of(keys=[]).note(JOB).decode()
    assert MASK in note
    assert WORD not in note


def test_why_an_edit_does_not_fit_repeats_neither_old_nor_new_values() -> None:
    edit = edit_of(keys=[{"name": WORD, "value": [WORD]}] * 30)
    with pytest.raises(InvalidArguments) as caught:
        edit.apply(JOB)
    assert "login.user: it does not fit type" in str(caught.value)
    assert WORD not in str(caught.value)
    assert len(caught.value.facts["problems"]) == 20


async def test_an_edit_of_a_letter_that_is_masked_is_tried_all_the_same(store: Store) -> None:
    settings = Settings()
    await Catalogue(settings, store).publish(
        [CatalogueEntry("t", "q", CallSchema("t", login).json_schema, {})]
    )
    _, letter = bury(JOB, "q", Death(JobError("E", "m", "", "exception"), 1.0, "w"))
    [masked] = await Masks(settings, store).letters([letter])
    assert (WORD in masked.body, masked.size) == (False, len(masked.body.encode()))
    edit_of(keys=[]).try_on(masked)
    with pytest.raises(InvalidArguments, match="keys: it does not fit type"):
        edit_of(keys=7).try_on(masked)
    with pytest.raises(InvalidArguments, match="mask of a secret"):
        edit_of(login={"user": "ann", "pass-word": MASK}).try_on(masked)
