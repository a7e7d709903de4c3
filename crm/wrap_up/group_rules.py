"""In which group a client is after a call, and whose it is: values go in. `crm.wrap_up.consequences` asks it of what
was written down, `crm.what_if` of what would have been."""

from __future__ import annotations

from typing import Final, Protocol

from crm.group import Group
from crm.plan.dispositions import Disposition
from crm.preparation.results import OF_THE_CLIENT, Result

_OWNED: Final = (Group.HOT, Group.WARM, Group.ABANDONED)


class GroupRules(Protocol):
    """What a campaign says of its groups."""

    tries_to_no_contact: int


def group_after(
    rules: GroupRules,
    disposition: Disposition,
    base_group: Group,
    *,
    result: Result | None,
    answered: bool,
    in_vain: int,
    has_number: bool,
) -> Group:
    """Where a client of `base_group` is after a call with this `result`. `in_vain`: of a new one, tries in vain since
    the last answer, this one included; `has_number`: one that works is left."""
    if disposition.group is None or (disposition.group is Group.NONEXISTENT and has_number):
        return base_group
    if disposition.group is not Group.NO_CONTACT or answered:
        return disposition.group
    # What is known of a client weighs more than a telephone that nobody picked up; of a new one nothing is known.
    if base_group is not Group.NEW or result not in OF_THE_CLIENT:
        return base_group
    return Group.NO_CONTACT if in_vain >= rules.tries_to_no_contact else base_group


def becomes_owner(disposition: Disposition, *, talked: bool) -> bool:
    """Whether whoever made the call becomes the owner of a client that nobody keeps."""
    return (talked and disposition.gives_owner) or disposition.group in _OWNED
