"""Workflows on a worker's and a producer's side: plans in the store, and what carries them on."""

from .carrying import Carrier, Part, WorkflowBackend, part_of
from .launching import Launcher
from .resolving import Resolver, with_input

__all__ = ["Carrier", "Launcher", "Part", "Resolver", "WorkflowBackend", "part_of", "with_input"]
