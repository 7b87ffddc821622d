"""Submitting workflows, looking at them, ending them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from warrener import Chain, Group, Signature, UnknownTask, Warrener, WorkflowNotFound
from warrener.canvas import Step
from warrener.ids import is_job_id
from warrener.tasks import Options

from ..answering import may_arrive, promptly, route_class
from ..clients import client_of
from ..noting import note
from ..openapi import operation_ids
from ..problems import problems_with
from ..published import Published, call_of, published
from ..security import Caller, caller_of
from ..workflow_schemas import (
    CallStep,
    ChainStep,
    GroupStep,
    WorkflowAccepted,
    WorkflowRequest,
    WorkflowView,
)


def routes(app: Warrener) -> APIRouter:
    """The routes under /workflows."""
    router = APIRouter(
        prefix="/workflows",
        tags=["workflows"],
        route_class=route_class(app),
        generate_unique_id_function=operation_ids("/workflows"),
    )

    _add_submit(router, app)
    _add_one(router, app)
    return router


def _add_submit(router: APIRouter, app: Warrener) -> None:
    @router.post(
        "",
        name="submit_workflow",
        status_code=202,
        responses=problems_with(400, 404, 409, 413, 415, 422, 503),
    )
    async def submit(
        wanted: WorkflowRequest,
        request: Request,
        response: Response,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
    ) -> WorkflowAccepted:
        """Submit a workflow: 202 once its plan is stored and RabbitMQ has its first jobs. The same
        Idempotency-Key gives the same workflow."""
        key = _key(caller_of(request), idempotency_key)
        found = await published(app)
        flow: Any = _step(app, found, wanted.workflow, comes=False)
        flow = flow.options(
            idempotency_key=key,
            on_error=_step(app, found, wanted.on_error, comes=True) if wanted.on_error else None,
            on_success=_step(app, found, wanted.on_success, comes=True)
            if wanted.on_success
            else None,
        )
        await client_of(app).store.check_writable()
        may_arrive(request)
        handle = await app.start(flow)
        path, root = request.url.path.rstrip("/"), request.scope.get("root_path", "")
        response.headers["Location"] = (
            f"{path if path.startswith(root) else root + path}/{handle.id}"
        )
        return WorkflowAccepted(id=handle.id)


def _add_one(router: APIRouter, app: Warrener) -> None:
    @router.get("/{workflow_id}", name="get_workflow", responses=problems_with(404, 422, 503))
    async def get(workflow_id: str) -> WorkflowView:
        """The tree with its states, how far it is, and what it waits for."""
        return await _view(app, workflow_id)

    @router.delete(
        "/{workflow_id}", name="revoke_workflow", responses=problems_with(404, 409, 422, 503)
    )
    async def revoke(
        workflow_id: str,
        request: Request,
        terminate: Annotated[
            bool, Query(description="Kill the processes of runs that do not end when asked.")
        ] = False,
    ) -> WorkflowView:
        """End a workflow as a whole: what has not begun never will, what runs is asked to end."""
        if not is_job_id(workflow_id):
            raise WorkflowNotFound(workflow_id=workflow_id[:128])
        async with promptly(app):
            await app.workflow(workflow_id).revoke(terminate=terminate)
            await note(app, request, "revoke", workflow=workflow_id)
        return await _view(app, workflow_id)


async def _view(app: Warrener, workflow_id: str) -> WorkflowView:
    async with promptly(app):
        return WorkflowView.of(await app.workflow(workflow_id).status())


def _key(caller: Caller, key: str | None) -> str | None:
    """Two callers do not share their keys."""
    return None if key is None else f"http:{caller.id}:{key}" if caller.id else f"http:{key}"


def _step(
    app: Warrener, found: Published, step: CallStep | ChainStep | GroupStep, *, comes: bool
) -> Step[Any, Any]:
    """The part as a value. `comes`: something comes before it."""
    match step:
        case ChainStep():
            return Chain(
                tuple(
                    _step(app, found, one, comes=comes or n > 0) for n, one in enumerate(step.chain)
                )
            )
        case GroupStep():
            members = tuple(_step(app, found, one, comes=comes) for one in step.group)
            return Group(members, on_error=step.errors)
    return _call(app, found, step, comes=comes)


def _call(app: Warrener, found: Published, step: CallStep, *, comes: bool) -> Signature[Any]:
    options = Options(
        queue=step.queue, countdown=step.countdown, eta=step.eta, expires=step.expires
    )
    args, kwargs = tuple(step.args), step.kwargs
    if not (comes and step.takes_result):
        _, kwargs = call_of(app, found, step.task, step.args, step.kwargs)
        args = ()
    elif step.task not in app.tasks and step.task not in found:
        raise UnknownTask(task=step.task, known=", ".join(sorted({*app.tasks, *found})) or "none")
    return Signature(app, step.task, args, kwargs, options, takes_result=step.takes_result)
