"""What doors need: the messages as they travel, what each viewer sees of them, and the bus they travel on."""

from holdfast._answers import opened
from holdfast._bus import Bus, Hear, Message, Receive, Subscription
from holdfast._clock import utc_now
from holdfast._deletion import ADMIN
from holdfast._errors import COMMON_ERRORS, COMMON_STATUS, error_from
from holdfast._messages import Accepted, CommandEnvelope, Commit, RecordedEvent, View
from holdfast._numbers import check_numbers
from holdfast._places import Places
from holdfast._rate import MAX_BUCKETS, Buckets, Rate, TokenBucket, too_fast
from holdfast._sight import EVERYTHING, render, render_for, shuts_out, sight
from holdfast.jetstream import NEWEST_AT_ONCE, Newest, Reach

__all__ = [
    "ADMIN",
    "COMMON_ERRORS",
    "COMMON_STATUS",
    "EVERYTHING",
    "MAX_BUCKETS",
    "NEWEST_AT_ONCE",
    "Accepted",
    "Buckets",
    "Bus",
    "CommandEnvelope",
    "Commit",
    "Hear",
    "Message",
    "Newest",
    "Places",
    "Rate",
    "Reach",
    "Receive",
    "RecordedEvent",
    "Subscription",
    "TokenBucket",
    "View",
    "check_numbers",
    "error_from",
    "opened",
    "render",
    "render_for",
    "shuts_out",
    "sight",
    "too_fast",
    "utc_now",
]
