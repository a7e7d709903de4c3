"""Every mapped class, so that the metadata is whole whoever asks first."""

from __future__ import annotations

from typing import Final

from sqlalchemy import MetaData

from crm import audit, service_lock  # noqa: F401 - importing them fills the metadata
from crm.base import (  # noqa: F401 - importing them fills the metadata
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
from crm.calls import attempts, dial_rules, disposition_sets, learnt, recording_facts, retry_rules  # noqa: F401 - importing them fills the metadata
from crm.care import audit_chain, bulk_actions, saved_filters  # noqa: F401 - importing them fills the metadata
from crm.clientele import clients, consents, groups  # noqa: F401 - importing them fills the metadata
from crm.importing import imports, list_marks  # noqa: F401 - importing them fills the metadata
from crm.mail import outbox  # noqa: F401 - importing them fills the metadata
from crm.mapping import Base
from crm.office import absences, users, web_sessions  # noqa: F401 - importing them fills the metadata
from crm.plan import callbacks, handovers, outcome_chain, plan_entries  # noqa: F401 - importing them fills the metadata
from crm.preparation import (  # noqa: F401 - importing them fills the metadata
    approvals,
    call_lists,
    campaign_setup,
    campaigns,
    candidates,
    materials,
    scripts,
    working_calendar,
)
from crm.wrap_up import contacts, outcomes  # noqa: F401 - importing them fills the metadata

METADATA: Final[MetaData] = Base.metadata
