"""Calls of a task: which parameters it takes, how arguments become JSON and come back as their types."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import to_json, to_jsonable_python
from typing_extensions import TypedDict

from .errors import InvalidArguments, TaskSignatureError
from .job import Job
from .json_text import TOO_DEEP, check_depth, read_json
from .masking import A_MASK, MASK, has_secrets, masked_in, revealed

MOST_PROBLEMS = 20
"""Of one call, that an error names: a megabyte of wrong arguments must not become many of complaints."""


@dataclass(frozen=True, slots=True)
class Call:
    """Arguments that have been checked, by name, as the function gets them."""

    arguments: dict[str, Any]


class CallSchema:
    """The signature of one task, read when first needed, so that its types may be defined below it.

    Raises TaskSignatureError for parameters that a message cannot carry.
    """

    def __init__(self, task: str, function: Callable[..., Any]) -> None:
        self.task = task
        self._function = function

    @cached_property
    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self._function, include_extras=True)
        except NameError as error:
            raise TaskSignatureError(
                task=self.task, reason=f"a type is unknown: {error}"
            ) from error

    @cached_property
    def job_parameter(self) -> str | None:
        """The name of the parameter that takes the Job, if there is one."""
        found = [name for name, hint in self._hints.items() if _is_job(hint) and name != "return"]
        if len(found) > 1:
            raise TaskSignatureError(task=self.task, reason="it takes the Job twice")
        return found[0] if found else None

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The parameters that a sender fills, in order."""
        all_of_them = inspect.signature(self._function).parameters.values()
        chosen = {p.name: p for p in all_of_them if p.name != self.job_parameter}
        for p in all_of_them:
            if "pydantic.types.Secret[" in repr(self._hints.get(p.name)):
                reason = f"parameter {p} is a Secret[…], which its JSON Schema hides: use SecretStr"
                raise TaskSignatureError(task=self.task, reason=reason)
            if p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                reason = f"parameter {p} has no name that a message could carry"
                raise TaskSignatureError(task=self.task, reason=reason)
        return chosen

    @cached_property
    def _positional(self) -> list[str]:
        keyword_only = inspect.Parameter.KEYWORD_ONLY
        return [name for name, p in self.parameters.items() if p.kind is not keyword_only]

    @property
    def type_name(self) -> str:
        """The task's name as that of a type: ScanDiscover for scan.discover."""
        return "".join(word[0].upper() + word[1:] for word in re.findall(r"[^\W_]+", self.task))

    @cached_property
    def arguments_type(self) -> Any:
        """The arguments by name, as a type that pydantic reads."""
        fields: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            hint = self._hints.get(name, Any)
            if parameter.default is not parameter.empty:
                shown = Field(json_schema_extra={"default": _jsonable(parameter.default)})
                hint = NotRequired[Annotated[hint, shown]]
            fields[name] = hint
        # A TypedDict takes any parameter name; a model would trip over names such as `schema`.
        make: Any = TypedDict
        shape = make(f"{self.type_name}Arguments", fields)
        shape.__pydantic_config__ = ConfigDict(extra="forbid")
        return shape

    @cached_property
    def _arguments(self) -> TypeAdapter[dict[str, Any]]:
        return self._adapter(self.arguments_type, "a parameter")

    @cached_property
    def _result(self) -> TypeAdapter[Any]:
        return self._adapter(self._hints.get("return", Any), "the result")

    def _adapter(self, shape: Any, what: str) -> TypeAdapter[Any]:
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(shape)
            adapter.json_schema()
            return adapter
        except PydanticUserError as error:
            # What follows is about pydantic's own settings.
            said = error.message.partition(". Set `arbitrary")[0]
            reason = f"{what} has a type that JSON cannot carry: {said}"
            raise TaskSignatureError(task=self.task, reason=reason) from error

    @cached_property
    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments by name, defaults included."""
        schema = self._arguments.json_schema(ref_template="#/$defs/{model}")
        schema["title"] = self.task
        return schema

    @cached_property
    def result_schema(self) -> dict[str, Any]:
        """JSON Schema of the result."""
        return self._result.json_schema(mode="serialization")

    def check(self) -> None:
        """Read the whole signature now. Raises TaskSignatureError."""
        _ = self._arguments, self._result

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
        """Check Python values and convert them to their types. Raises InvalidArguments."""
        arguments = self._by_name(args, kwargs)
        return self._checked(lambda: self._arguments.validate_python(arguments))

    def bind_json(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
        """The same for values that come out of JSON, where a datetime is text and a set an array."""
        if not (args or kwargs or self.parameters):
            return Call({})
        arguments = self._by_name(args, kwargs)
        try:
            text = to_json(arguments)
            check_depth(text)
        except ValueError as error:
            raise self._invalid(_cannot_be_carried(error)) from error
        if MASK.encode() in text:
            self._refuse_masks(arguments)
        return self._checked(lambda: self._arguments.validate_json(text))

    def _by_name(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        positional = self._positional
        if len(args) > len(positional):
            reason = f"{len(args)} positional arguments were given, and it takes {len(positional)}"
            raise self._invalid(reason)
        arguments = dict(zip(positional, args, strict=False))
        if twice := arguments.keys() & kwargs.keys():
            raise self._invalid(f"{', '.join(sorted(twice))} was given twice")
        return {**arguments, **kwargs}

    def _checked(self, validate: Callable[[], dict[str, Any]]) -> Call:
        try:
            return Call(validate())
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            problems = [_problem(e["loc"], e["type"], e["msg"]) for e in faults[:MOST_PROBLEMS]]
            reason = "; ".join(f"{p['at']}: {p['message']}" for p in problems)
            if more := len(faults) - len(problems):
                reason += f"; and {more} more"
            raise self._invalid(reason, problems) from error

    def _invalid(
        self, reason: str, problems: list[dict[str, str]] | None = None
    ) -> InvalidArguments:
        problems = problems or [{"at": "arguments", "message": reason}]
        return InvalidArguments(task=self.task, reason=reason, problems=problems)

    def encode(self, call: Call) -> bytes:
        """Checked arguments as the body of a message."""
        try:
            values = _dumped(self._arguments, call.arguments)
            if self.has_secrets:
                values = self._with_secrets(call.arguments, values)
            text = b'{"args":[],"kwargs":' + to_json(values, inf_nan_mode="strings") + b"}"
            check_depth(text)
            return text
        except ValueError as error:
            raise self._invalid(_cannot_be_carried(error)) from error

    @cached_property
    def has_secrets(self) -> bool:
        """True if any of the arguments is secret, in whole or in part."""
        return has_secrets(self.json_schema)

    def _with_secrets(self, values: dict[str, Any], dumped: dict[str, Any]) -> dict[str, Any]:
        found = {name: revealed(values[name], one) for name, one in dumped.items()}
        self._refuse_masks(found)
        return found

    def _refuse_masks(self, arguments: dict[str, Any]) -> None:
        # Of a listing that somebody sent again, of a result, or within a type that dumps itself.
        if masks := masked_in(arguments, self.json_schema)[:MOST_PROBLEMS]:
            problems = [{"at": at, "message": A_MASK} for at in masks]
            raise self._invalid(f"{', '.join(masks)}: {A_MASK}", problems)

    def encode_result(self, result: Any) -> bytes:
        """A result, checked against the function's return type, as JSON. Raises ValueError."""
        if result is None and self._hints.get("return", Any) in (None, type(None), Any):
            return b"null"
        text = _dump(self._result, self._result.validate_python(result))
        check_depth(text)
        return text

    def decode_result(self, value: Any) -> Any:
        """A result's JSON value as the type that the signature says."""
        # Strict about nothing: the value has been through JSON, so "lax" conversion is what restores
        # datetimes, UUIDs and models.
        return self._result.validate_json(to_json(value))


def encode_unchecked(args: Sequence[Any], kwargs: Mapping[str, Any], task: str) -> bytes:
    """Arguments of a task that is not known here, as the body of a message; its worker checks them.
    Raises InvalidArguments for what JSON cannot carry."""
    try:
        text = to_json({"args": list(args), "kwargs": dict(kwargs)}, inf_nan_mode="strings")
        check_depth(text)
        return text
    except (ValueError, TypeError) as error:
        reason = _cannot_be_carried(error)
        problems = [{"at": "arguments", "message": reason}]
        raise InvalidArguments(task=task, reason=reason, problems=problems) from error


def decode_body(body: bytes) -> tuple[list[Any], dict[str, Any]]:
    """The arguments in a message's body. Raises ValueError with what is wrong."""
    try:
        content = read_json(body)
    except ValueError as error:
        raise ValueError(f"the body is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError("the body is no JSON object with args and kwargs")
    args, kwargs = content.get("args", []), content.get("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise ValueError("in the body, args must be an array and kwargs an object")
    return args, kwargs


def _dump(adapter: TypeAdapter[Any], value: Any) -> bytes:
    # JSON has no infinity: as text it arrives again. And pydantic's own JSON, here and below, keeps whole
    # numbers beyond 64 bits, which other parsers turn into floats.
    return to_json(_dumped(adapter, value), inf_nan_mode="strings")


def _dumped(adapter: TypeAdapter[Any], value: Any) -> Any:
    return adapter.dump_python(value, mode="json", by_alias=True)  # as it is read again


def _problem(loc: tuple[int | str, ...], kind: str, message: str) -> dict[str, str]:
    if kind == "recursion_depth_exceeded":  # each of hundreds of levels is in its place
        loc, message = loc[:1], TOO_DEEP
    return {"at": ".".join(map(str, loc)) or "arguments", "message": message}


def _cannot_be_carried(error: Exception) -> str:
    said = TOO_DEEP if "depth exceeded" in str(error) else str(error)
    return f"JSON cannot carry them: {said}"


def _jsonable(value: Any) -> Any:
    try:
        return to_jsonable_python(value, fallback=repr)
    except ValueError:
        return repr(value)


def _is_job(hint: Any) -> bool:
    return hint is Job or typing.get_origin(hint) is Job
