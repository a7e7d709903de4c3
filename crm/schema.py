"""Every mapped class, so that the metadata is whole whoever asks first."""

from __future__ import annotations

from typing import Final

from sqlalchemy import MetaData

from crm import (  # noqa: F401 - importing them fills the metadata
    absences,
    addresses,
    approvals,
    attempts,
    audit,
    audit_chain,
    bulk_actions,
    call_lists,
    callbacks,
    campaign_setup,
    campaigns,
    candidates,
    clients,
    competitors,
    consents,
    contacts,
    dial_rules,
    disposition_sets,
    do_not_call,
    duplicates,
    erasure_rows,
    groups,
    handovers,
    imports,
    joined,
    learnt,
    list_marks,
    materials,
    organisations,
    outcome_chain,
    outcomes,
    past_deals,
    people,
    phone_numbers,
    plan_entries,
    recording_facts,
    retry_rules,
    saved_filters,
    scripts,
    service_lock,
    sources,
    users,
    web_sessions,
    working_calendar,
)
from crm.mapping import Base

METADATA: Final[MetaData] = Base.metadata
