"""The second actor: reasons from the location's list, and a manager's approval above a limit."""

from datetime import timedelta

from holdfast import StateConflict
from services.pos import domain_errors as refusals
from services.pos.domain_draft import Draft
from services.pos.domain_till_commands import ApprovalOf, GrantApproval
from services.pos.domain_till_events import ApprovalGranted, ApprovalUsed


def grant_approval(draft: Draft, command: GrantApproval) -> None:
    """Allow one act, for a short while; nothing when this very approval stands already."""
    standing = draft.session.approvals.get(command.approval_id)
    wanted = (command.action, command.tab_id, command.limit_minor, draft.ctx.actor.user)
    if standing is not None:
        if (standing.action, standing.tab_id, standing.limit_minor, standing.approved_by) == wanted:
            return
        raise StateConflict("approval_id: this one is used already; choose another")
    draft.record(
        ApprovalGranted(
            approval_id=command.approval_id,
            action=command.action,
            tab_id=command.tab_id,
            limit_minor=command.limit_minor,
            approved_by=draft.ctx.actor.user,
            expires_at=draft.ctx.now + timedelta(seconds=draft.settings.approval_s),
        )
    )


def check_reason(draft: Draft, code: str) -> None:
    """Refuse no reason, and one that is not in the location's list."""
    reasons = draft.settings.reason_codes
    if not code:
        raise refusals.ReasonRequired(f"reason_code: one of {', '.join(reasons)}", reasons=list(reasons))
    if code not in reasons:
        raise refusals.ReasonUnknown(f"reason_code: one of {', '.join(reasons)}", reasons=list(reasons))


def approved_by(
    draft: Draft, approver: str | None, *, action: ApprovalOf, tab_id: str, value_minor: int, limit_minor: int
) -> str | None:
    """Who approved this, using the approval up; None when nobody has to."""
    if value_minor <= limit_minor or draft.is_manager:
        return None
    approval = None if approver is None else draft.session.approvals.get(approver)
    fits = (
        approval is not None
        and (approval.action, approval.tab_id) == (action, tab_id)
        and approval.limit_minor >= value_minor
        and approval.approved_by != draft.ctx.actor.user
    )
    if approver is None or approval is None or not fits:
        raise refusals.ApprovalRequired(
            f"a manager must approve this {action} (grant_approval, limit_minor of {value_minor} or more)",
            action=action,
            tab_id=tab_id,
            value_minor=value_minor,
        )
    draft.record(ApprovalUsed(approval_id=approver))
    return approval.approved_by
