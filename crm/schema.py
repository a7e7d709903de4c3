"""Every mapped class, so that the metadata is whole whoever asks first: importing them fills it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import MetaData

from crm import audit, service_lock
from crm.base import (
    addresses,
    competitors,
    do_not_call,
    duplicates,
    erasure_rows,
    joined,
    organisations,
    past_deals,
    people,
    phone_numbers,
    sources,
)
from crm.calls import attempts, dial_rules, disposition_sets, learnt, letters, recording_facts, retry_rules
from crm.care import audit_chain, bulk_actions, portfolios, saved_filters
from crm.clientele import clients, consents, groups
from crm.deals import deals, lost_reasons
from crm.experts import referrals
from crm.importing import imports, list_marks
from crm.mail import outbox
from crm.mapping import Base
from crm.offers import batches, incoming, offers, opt_outs, templates
from crm.office import absences, users, web_sessions
from crm.plan import callbacks, handovers, outcome_chain, plan_entries
from crm.preparation import (
    approvals,
    call_lists,
    campaign_setup,
    campaigns,
    candidates,
    materials,
    scripts,
    working_calendar,
)
from crm.questionnaires import marking, questionnaires, report_columns, sheet_rows
from crm.wrap_up import contacts, outcomes

METADATA: Final[MetaData] = Base.metadata
