"""What concerns an organisation: rows about it, its people or its numbers."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select

from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.base.whom import OfWhom


def concerns(kind: type[OfWhom], organisation_id: int) -> ColumnElement[bool]:
    """As a condition on `kind`: the row is about the organisation, one of its people or one of its numbers."""
    numbers = select(PhoneNumber.e164).where(PhoneNumber.organisation_id == organisation_id)
    people = select(Person.id).where(Person.organisation_id == organisation_id)
    return or_(kind.organisation_id == organisation_id, kind.e164.in_(numbers), kind.person_id.in_(people))
