"""The words for the values of the domain: groups, dispositions, results, roles, kinds of plan entries."""

from __future__ import annotations

from dialer.words import Words, mark

GROUPS = {
    "hot": mark("Hot"),
    "warm": mark("Warm"),
    "competitor": mark("Competitors' market"),
    "cold": mark("Cold"),
    "abandoned": mark("Abandoned"),
    "no_contact": mark("No contact"),
    "nonexistent": mark("Nonexistent"),
    "new": mark("New"),
}

DISPOSITIONS = {
    "hot": mark("Hot"),
    "warm": mark("Warm"),
    "competitor": mark("Competitors' market"),
    "cold": mark("Cold"),
    "abandoned": mark("Abandoned"),
    "no_contact": mark("No contact"),
    "nonexistent": mark("Nonexistent"),
    "callback": mark("Call back"),
    "not_main": mark("Not the main one"),
    "do_not_call": mark("Do not call"),
}

CHANNELS = {
    "email": mark("by e-mail"),
    "fax": mark("by fax"),
}

LETTERS = {
    "email": mark("E-mail sent"),
    "fax": mark("Fax sent"),
}

OFFER_STATES = {
    "waiting": mark("on its way"),
    "handing_over": mark("is going just now"),
    "sent": mark("sent"),
    "doubtful": mark("doubtful: it may have arrived"),
    "bounced": mark("did not arrive: it was refused, or came back"),
    "given_up": mark("given up"),
    "withdrawn": mark("withdrawn before it went"),
}


def offer_state(words: Words, state: str, tries: int) -> str:
    """What became of an offer; of one that waits also that it was tried in vain."""
    if state == "waiting" and tries:
        return words.gettext("was not taken yet, goes again by itself")
    return words.gettext(OFFER_STATES[state])


INCOMING = {
    "reply": mark("Answered by e-mail"),
    "automatic": mark("A machine answered"),
    "no_more": mark("Wants no letters"),
    "bounced": mark("It came back"),
    "delayed": mark("Still on its way, says a server"),
    "delivered": mark("It has arrived"),
}

TEXT_LANGUAGES = {
    "ru": mark("in Russian"),
    "en": mark("in English"),
}

MOVE_CAUSES = {
    "import": mark("by an import"),
    "call": mark("by a call"),
    "user": mark("by hand"),
    "rule": mark("by rule"),
}

RESULTS = {
    "answered": mark("answered"),
    "busy": mark("busy"),
    "no_answer": mark("no answer"),
    "declined": mark("declined"),
    "no_such_number": mark("no such number"),
    "unavailable": mark("unavailable"),
    "diverted": mark("diverted to another number"),
    "trunk_failure": mark("no connection to the provider"),
    "cancelled": mark("cancelled by the operator"),
    "interrupted": mark("interrupted by a restart"),
    "uncertain": mark("uncertain: a restart while dialling"),
}

ROLES = {
    "operator": mark("operator"),
    "expert": mark("expert"),
    "manager": mark("manager"),
    "consultant": mark("consultant"),
    "administrator": mark("administrator"),
    "auditor": mark("auditor"),
}

STATES = {
    "draft": mark("draft"),
    "submitted": mark("submitted"),
    "approved": mark("approved"),
    "returned": mark("returned"),
}

GROUNDS = {
    "phone": mark("the same number"),
    "tax_number": mark("the same tax number"),
    "domain": mark("the same site"),
    "email": mark("the same e-mail"),
    "name": mark("a similar name"),
}

IMPORT_STATES = {
    "staged": mark("waits to be confirmed"),
    "confirmed": mark("taken in"),
    "undone": mark("undone"),
    "discarded": mark("discarded"),
    "staging": mark("being read"),
    "confirming": mark("being taken in"),
    "undoing": mark("being undone"),
    "discarding": mark("being discarded"),
}

ABANDONED_REASONS = {
    "bought_once": mark("bought once, long ago"),
    "silent": mark("no deal and no contact for long"),
    "owner_left": mark("who looked after them has left"),
    "no_owner": mark("bought, and nobody looks after them"),
}

ADDRESS_KINDS = {
    "postal": mark("postal address"),
    "legal": mark("legal address"),
    "actual": mark("actual address"),
    "other": mark("other address"),
}

SATISFACTIONS = {
    "unknown": mark("not known"),
    "satisfied": mark("satisfied"),
    "partly": mark("partly satisfied"),
    "dissatisfied": mark("dissatisfied"),
}

KINDS = {
    "callback": mark("A call back was promised"),
    "retry": mark("Was not reached, the next try"),
    "handpicked": mark("Picked by hand for today"),
    "group": mark("From the day's plan"),
}

RECORDINGS = {
    "writing": mark("The recording is still being written."),
    "failed": mark("The recording failed: {reason}"),
    "exempt": mark("This call was not recorded, on purpose."),
}
NO_RECORDING = mark("There is no recording: nobody answered.")


def group_name(key: str) -> str:
    return GROUPS.get(key, key)


UNDONE = mark("Undone")


def disposition_name(key: str) -> str:
    if key == "undone":
        return UNDONE
    return DISPOSITIONS.get(key, key)


def result_name(key: str) -> str:
    return RESULTS.get(key, key)


def role_name(key: str) -> str:
    return ROLES.get(key, key)
