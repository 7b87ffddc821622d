"""The searches move records by pure functions. Here the real scripts make every move that was made,
called as the real code calls them, and have to come to the same record and the same answer."""

from __future__ import annotations

import fakeredis
import pytest

from warrener import transitions
from warrener.messages import Message
from warrener.settings import Settings
from warrener.store import Store
from warrener.transitions import Failing, Granted, Held, Reply, Runner, Settled, Stale, Transition

from .records import Answer, Command, Moved, Record, move
from .scenarios import SCENARIOS, searched

NOW = 1_750_000_000.0
LIVES_FOR = 1_000
DEBTS = {"retry": b'{"retry":5}', "dead": b'{"dead":5}', "": b""}

Question = tuple[Record | None, Command]


def transition(job_id: str, command: Command) -> Transition:
    """The command as the real code would give it."""
    due = NOW + 60 if command.due else None
    message = Message(job_id, "shop.mail", b"{}", command.attempt, command.generation, NOW, due)
    token = f"t{command.token}"
    match command.script:
        case "claim":
            abandoned = f"t{command.abandoned}" if command.abandoned else ""
            runner = Runner(f"o{command.owner}", "heavy-1")
            return transitions.claim(message, "shop", token, runner, NOW, LIVES_FOR, abandoned)
        case "submit":
            return transitions.submit(message, "shop")
        case "reserve":
            return transitions.reserve(job_id, "fingerprint", "shop.mail", "shop", NOW)
        case "succeed":
            return transitions.succeed(job_id, token, NOW, b"1", (LIVES_FOR, LIVES_FOR))
        case "retry":
            how = Failing(b"{}", b"{}", DEBTS["retry"], LIVES_FOR)
            return transitions.fail(job_id, token, NOW, how, NOW)
        case "fail":
            how = Failing(b"{}", b"{}", DEBTS["dead"], LIVES_FOR)
            return transitions.fail(job_id, token, NOW, how)
        case "revoke":
            return transitions.revoke(message, NOW, "purged", LIVES_FOR)
        case "ask":
            return transitions.ask_revoke(job_id, NOW, "enough", LIVES_FOR, terminate=False)
        case "replay":
            return transitions.replay(message, "shop")
        case "lose":
            return transitions.lose(job_id, token, command.losses)
        case "pay":
            return transitions.pay(job_id, token)
        case "release":
            return transitions.release(job_id, token)
        case script:
            raise AssertionError(script)


def understood(script: str, reply: Reply) -> Answer:
    """What a script replied, in the model's words."""
    if script == "claim":
        match transitions.read_claim(reply):
            case Granted(losses):
                return Answer("run", losses=losses)
            case Settled(owed, token):
                return Answer("settled", token=_number(token), owed=_debt(owed))
            case Stale():
                return Answer("stale")
            case Held(owner, _, token, _):
                return Answer("held", _number(token), _number(owner))
    if script == "lose" and reply[0] == b"ok":
        return Answer("ok", losses=int(reply[1]))
    return Answer(reply[0].decode())


def _number(name: str) -> int:
    return int(name[1:] or 0)


def _debt(owed: bytes) -> str:
    return next(name for name, text in DEBTS.items() if text == owed)


def written(record: Record) -> dict[str, str | bytes | int]:
    """The record as the hash that the scripts read. What they have no use for in this state is there,
    as it would be: they must not mind."""
    fields: dict[str, str | bytes | int] = {
        "v": 1,
        "state": record.state,
        "generation": record.generation,
        "attempt": record.attempt,
        "losses": record.losses,
    }
    if record.token:
        fields |= {"token": f"t{record.token}", "owner": f"o{record.owner}", "claimed": str(NOW)}
    if record.state in ("RETRY", "FAILURE"):
        fields |= {"attempts": "{}", "error": "{}"}
    if record.owed:
        fields["owed"] = DEBTS[record.owed]
    if record.unconfirmed:
        fields["unconfirmed"] = 1
    if record.asked:
        fields |= {"revoke": "cancel", "reason": "enough"}
    return fields


def read_back(fields: dict[bytes, bytes], lives_for: int) -> Record | None:
    """The hash as the model sees it."""
    if not fields:
        return None
    state = fields[b"state"].decode()
    return Record(
        state,
        int(fields[b"generation"]),
        int(fields[b"attempt"]),
        _number(fields.get(b"token", b"").decode()),
        _number(fields.get(b"owner", b"").decode()) if state == "STARTED" else 0,
        int(fields.get(b"losses", b"0")),
        _debt(fields.get(b"owed", b"")),
        b"unconfirmed" in fields,
        lives_for >= 0,
        b"revoke" in fields,
    )


async def moved_by_scripts(questions: list[Question]) -> list[Moved]:
    """What the real scripts make of these records and commands."""
    settings = Settings(namespace="model")
    client = fakeredis.FakeAsyncRedis()
    store = Store(settings, client, lambda: NOW)
    keys = [store.keys.job(f"job-{number}") for number in range(len(questions))]
    setup = client.pipeline(transaction=False)
    for key, (record, _) in zip(keys, questions, strict=True):
        if record is not None:
            setup.hset(key, mapping=written(record))  # type: ignore[arg-type]
            if record.expires:
                setup.expire(key, LIVES_FOR)
    await setup.execute()
    replies = await store.apply(
        [transition(f"job-{number}", command) for number, (_, command) in enumerate(questions)]
    )
    look = client.pipeline(transaction=False)
    for key in keys:
        look.hgetall(key)
        look.ttl(key)
    found = await look.execute()
    await store.close()
    records = [read_back(*pair) for pair in zip(found[::2], found[1::2], strict=True)]
    answers = [
        understood(command.script, reply)
        for (_, command), reply in zip(questions, replies, strict=True)
    ]
    return list(zip(records, answers, strict=True))


@pytest.fixture(scope="module")
def moves() -> dict[Question, Moved]:
    """All moves of all searches, and each of them asked for twice."""
    made: dict[Question, Moved] = {}
    for name in SCENARIOS:
        made |= searched(name).moves
    again = {(after, command) for (_, command), (after, _) in made.items()}
    return made | {question: move(*question) for question in again}


async def test_the_scripts_make_the_same_moves(moves: dict[Question, Moved]) -> None:
    questions = list(moves)
    answers = await moved_by_scripts(questions)
    differing = [
        f"{question}: the script comes to {real}, the model to {moves[question]}"
        for question, real in zip(questions, answers, strict=True)
        if real != moves[question]
    ]
    print(f"{len(questions):,} moves compared")
    assert not differing, "\n".join(differing[:20])


def test_all_scripts_of_the_protocol_were_called(moves: dict[Question, Moved]) -> None:
    called = {command.script for _, command in moves}
    assert called == {
        "ask",
        "claim",
        "fail",
        "lose",
        "pay",
        "release",
        "replay",
        "reserve",
        "retry",
        "revoke",
        "submit",
        "succeed",
    }


def test_a_move_asked_for_twice_is_made_once(moves: dict[Question, Moved]) -> None:
    # The client of the store asks again when a connection breaks before the answer.
    for (_, command), (after, _) in moves.items():
        assert move(after, command)[0] == after, command
