"""What must be traceable afterwards: who signed in, who listened, who stopped the dialling, who changed a user,
who took clients in, who approved a list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.mapping import Base, UtcDateTime, json_column

SIGNED_IN: Final = "user.signed_in"
SIGN_IN_FAILED: Final = "user.sign_in_failed"
SIGNED_OUT: Final = "user.signed_out"
USER_ADDED: Final = "user.added"
USER_CHANGED: Final = "user.changed"
PASSWORD_SET: Final = "user.password_set"
DIALLING_STOPPED: Final = "dialling.stopped"
DIALLING_RESUMED: Final = "dialling.resumed"
ERASED: Final = "erased"
PERSON_EXPORTED: Final = "person.exported"
BACKUP_BEGUN: Final = "backup.begun"
BACKUP_MADE: Final = "backup.made"
SEALING_BEGUN: Final = "recordings.sealing_begun"
PLAN_PICKED: Final = "plan.picked"
PLAN_REASSIGNED: Final = "plan.reassigned"
PLAN_MOVED: Final = "plan.moved"
PLAN_SKIPPED: Final = "plan.skipped"
PLAN_SKIP_UNDONE: Final = "plan.skip_undone"
PLAN_BUILT: Final = "plan.built"
USER_AWAY: Final = "user.away"
USER_BACK: Final = "user.back"
RECORDING_LISTENED: Final = "recording.listened"
CLIENTS_IMPORTED: Final = "clients.imported"
IMPORT_BEGUN: Final = "import.begun"
IMPORT_UNDOING: Final = "import.undoing"
IMPORT_UNDONE: Final = "import.undone"
IMPORT_DISCARDED: Final = "import.discarded"
IMPORT_MAPPING_SAVED: Final = "import.mapping_saved"
CONTACTS_IMPORTED: Final = "contacts.imported"
LIST_STATE_SET: Final = "list.state_set"
CAMPAIGN_ADDED: Final = "campaign.added"
CAMPAIGN_CHANGED: Final = "campaign.changed"
ADDRESS_SET: Final = "address.set"
COMPETITOR_ADDED: Final = "competitor.added"
COMPETITOR_CHANGED: Final = "competitor.changed"
COMPETITOR_REMOVED: Final = "competitor.removed"
COMPETITOR_USED: Final = "competitor.used"
DEAL_ADDED: Final = "deal.added"
FORMER_OWNER_ADDED: Final = "former_owner.added"
ORGANISATIONS_MERGED: Final = "organisations.merged"
MERGE_UNDONE: Final = "organisations.merge_undone"
LOOKED_THROUGH: Final = "organisations.looked_through"
NOT_DUPLICATE: Final = "organisations.not_duplicate"
ORGANISATION_CHANGED: Final = "organisation.changed"
PERSON_SET: Final = "person.set"
NUMBER_SET: Final = "phone_number.set"
ABANDONED_MOVED: Final = "clients.abandoned"
CLIENT_ENTERED: Final = "client.entered"
CLIENT_OFF_LIST: Final = "client.off_list"
FILTER_SAVED: Final = "filter.saved"
FILTER_REMOVED: Final = "filter.removed"
BULK_DONE: Final = "bulk.done"
BULK_UNDONE: Final = "bulk.undone"
CLIENT_ON_LIST: Final = "client.on_list"
CLIENT_OWNED: Final = "client.owned"
CLIENT_LEARNT: Final = "client.learnt"
CONSENT_GIVEN: Final = "consent.given"
CONSENT_WITHDRAWN: Final = "consent.withdrawn"
QUESTIONNAIRE_ADDED: Final = "questionnaire.added"
QUESTIONNAIRE_CHANGED: Final = "questionnaire.changed"
QUESTIONNAIRE_REPORTS: Final = "questionnaire.reports_set"
SHEET_WRITTEN: Final = "sheet.written"
LETTER_NOTED: Final = "letter.noted"
LETTER_WITHDRAWN: Final = "letter.withdrawn"
OFFER_QUEUED: Final = "offer.queued"
OFFER_WITHDRAWN: Final = "offer.withdrawn"
OFFER_AGAIN: Final = "offer.again"
OFFER_ANSWERED: Final = "offer.answered"
OFFER_BATCH_BEGUN: Final = "offer_batch.begun"
OFFER_BATCH_STOPPED: Final = "offer_batch.stopped"
OFFER_BATCH_RESUMED: Final = "offer_batch.resumed"
OPT_OUT_ASKED: Final = "opt_out.asked"
OPT_OUT_LIFTED: Final = "opt_out.lifted"
OFFER_TEMPLATE_ADDED: Final = "offer.template_added"
OFFER_TEMPLATE_RETIRED: Final = "offer.template_retired"
OFFER_TEMPLATE_BACK: Final = "offer.template_back"
OFFER_TEXT_WRITTEN: Final = "offer.text_written"
CLIENT_REFERRED: Final = "client.referred"
REFERRAL_ACCEPTED: Final = "referral.accepted"
REFERRAL_GIVEN_BACK: Final = "referral.given_back"
REFERRAL_LAPSED: Final = "referral.lapsed"
REFERRAL_WITHDRAWN: Final = "referral.withdrawn"
DO_NOT_CALL_ASKED: Final = "do_not_call.asked"
DO_NOT_CALL_LIFTED: Final = "do_not_call.lifted"
CALENDAR_DAY_SET: Final = "calendar.day_set"
SETUP_CHANGED: Final = "campaign.setup_changed"
EXPERT_SET: Final = "campaign.expert_set"
MATERIAL_ADDED: Final = "material.added"
MATERIAL_REMOVED: Final = "material.removed"
SCRIPT_CHANGED: Final = "script.changed"
CANDIDATE_ADDED: Final = "candidate.added"
CANDIDATE_CHANGED: Final = "candidate.changed"
APPROVED: Final = "approval.signed"
APPROVAL_REOPENED: Final = "approval.reopened"
LIST_MARKS_TAKEN: Final = "list.marks_taken"
CAMPAIGN_FOLLOWED: Final = "campaign.followed"
PORTFOLIO_MOVED: Final = "portfolio.moved"
CALLBACKS_HANDED_OVER: Final = "callbacks.handed_over"
DISPOSITION_SET: Final = "disposition.set"
RETRY_RULES_SET: Final = "retry_rules.set"
DEAL_OPENED: Final = "deal.opened"
DEAL_CHANGED: Final = "deal.changed"
DEAL_MOVED: Final = "deal.moved"
LOST_REASON_SET: Final = "lost_reason.set"
MAIL_SENT_AGAIN: Final = "mail.sent_again"


class AuditEntry(Base):
    """One deed. `subject` names what it was done to, such as "user:7"; `details` never hold secrets. Append-only by
    triggers."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "at"), Index(None, "subject"))

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text, default="")
    details: Mapped[dict[str, Any]] = mapped_column(json_column(), default=dict)


def note(
    session: AsyncSession,
    *,
    at: datetime,
    user_id: int | None,
    action: str,
    subject: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry with the transaction of `session`."""
    session.add(AuditEntry(at=at, user_id=user_id, action=action, subject=subject, details=dict(details or {})))


def recording_listened(session: AsyncSession, *, attempt_id: str, user_id: int | None, now: datetime) -> None:
    """Someone played or downloaded the recording of this attempt."""
    note(session, at=now, user_id=user_id, action=RECORDING_LISTENED, subject=f"attempt:{attempt_id}")


def person_exported(session: AsyncSession, *, person_id: int, user_id: int | None, now: datetime) -> None:
    """All that is held on this person was handed out."""
    note(session, at=now, user_id=user_id, action=PERSON_EXPORTED, subject=f"person:{person_id}")
