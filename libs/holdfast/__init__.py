"""Durable Objects that you own: event-sourced entities over NATS JetStream."""

from holdfast._entity import AnyEntity, Context, Contract, Entity, ListForm
from holdfast._errors import (
    ErrorBody,
    Expired,
    Forbidden,
    HoldfastError,
    IdempotencyKeyReused,
    NotFound,
    RateLimited,
    Rejected,
    ResumeGap,
    StateConflict,
    TimedOut,
    TooLarge,
    Unauthenticated,
    Unavailable,
    ValidationFailed,
    VersionConflict,
)
from holdfast._messages import Actor, Audience, Command, Event, State
from holdfast._names import Name
from holdfast._service import Service
from holdfast._upcasting import Upcast

__all__ = [
    "Actor",
    "AnyEntity",
    "Audience",
    "Command",
    "Context",
    "Contract",
    "Entity",
    "ErrorBody",
    "Event",
    "Expired",
    "Forbidden",
    "HoldfastError",
    "IdempotencyKeyReused",
    "ListForm",
    "Name",
    "NotFound",
    "RateLimited",
    "Rejected",
    "ResumeGap",
    "Service",
    "State",
    "StateConflict",
    "TimedOut",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "Upcast",
    "ValidationFailed",
    "VersionConflict",
]
