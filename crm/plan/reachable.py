"""Who can be called at all, as conditions on `Client`: what `dial_rules` says of the client, not of the moment."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, or_

from crm.base.do_not_call import asked
from crm.base.phone_numbers import PhoneNumber, may_be_dialled
from crm.base.whom import Whom
from crm.clientele.clients import Client
from crm.clientele.consents import is_agreed
from crm.group import Group
from crm.preparation.call_lists import CallList, ListState
from crm.preparation.campaigns import Campaign
from crm.preparation.plan_rules import Consent


def reachable() -> tuple[ColumnElement[bool], ...]:
    """On the list, the list approved where that is asked for, not against being called, with a number that works, and
    at which they agreed to be called where that is asked for."""
    presumed = exists().where(Campaign.id == Client.campaign_id, Campaign.consent == Consent.PRESUMED)
    presumed = presumed.correlate(Client)
    return (
        ~asked(Whom.ORGANISATION, Client.organisation_id),
        Client.off_list_reason == "",
        Client.group != Group.NONEXISTENT,
        exists()
        .where(PhoneNumber.organisation_id == Client.organisation_id, may_be_dialled())
        .where(or_(presumed, is_agreed()))
        .correlate(Client),
        exists()
        .where(CallList.id == Client.call_list_id, CallList.campaign_id == Campaign.id)
        .where(or_(CallList.state == ListState.APPROVED, ~Campaign.lists_need_approval))
        .correlate(Client),
    )
