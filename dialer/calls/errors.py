"""What can go wrong at an operator's desk, each with its words."""

from __future__ import annotations

from dialer.reasons import Reason

MESSAGES: dict[str, str] = {
    "desk.not_ready": "Press Ready first: your headset is not connected yet.",
    "desk.no_headset_account": "No headset belongs to your user. Ask the administrator to set one up.",
    "desk.headset_not_registered": "Your headset “{headset}” is not connected. Check that it is switched on, in the "
    "network, and registered with the right password. After the service was started it connects by itself within a "
    "minute.",
    "desk.headset_no_answer": "Your headset “{headset}” did not answer ({reason}). Press Ready to call it again.",
    "desk.headset_silent": "Nothing comes from your headset. Is it switched on, in the network, and not muted? "
    "End the shift and press Ready to connect it again.",
    "desk.headset_dropped": "The connection to your headset was lost. Press Ready to call it again.",
    "desk.headset_hung_up": "The headset hung up. Press Ready to connect it again.",
    "desk.call_in_progress": "There is a call in progress. Finish it first.",
    "desk.wrap_up_pending": "The last call has no outcome yet. Write it down first.",
    "desk.nothing_to_call": "There is nobody to call right now. The next client comes up by itself.",
    "desk.client_left": "{name} is not called now. {reason}. The next client comes up by itself.",
    "desk.other_client": "The card on the screen is out of date: another client is waiting at your desk.",
    "desk.stale_attempt": "This outcome belongs to another call than the one at your desk.",
    "desk.trunk_down": "There is no connection to the telephone provider: {detail}. It is tried again and again; if it "
    "lasts, tell the administrator.",
    "desk.no_trunk": "No line to a telephone provider is set up, so nobody can be called. Tell the administrator.",
    "desk.dialling_stopped": "The manager has stopped all dialling.",
    "desk.stopping": "The service is stopping; no new calls are started.",
    "desk.media_lost": "The sound of the call was lost inside the service. The call was ended; the next one works.",
    "desk.recording_failed": "The recording stopped: {reason}. The call goes on.",
    "desk.recording_not_started": "This call is not recorded: {reason}. It goes on; tell the administrator.",
    "desk.database_trouble": "The database cannot be written: {reason}. The call goes on; what happened is kept in "
    "memory and written as soon as possible. Tell the administrator.",
    "desk.database_after_call": "The database cannot be written: {reason}. What happened in the call is kept in memory "
    "and written as soon as possible; what you type stays on the page. Tell the administrator.",
    "desk.database_away": "The database cannot be written: {reason}. Until it can, nobody is called. Tell the "
    "administrator.",
    "desk.end_not_written": "The end of the call could not be written to the database yet. Your entries stay on the "
    "page; save again in a moment.",
    "desk.interrupted": "The service was restarted during this call. Write down what you know; nobody is called again "
    "by itself.",
    "desk.uncertain": "The service was restarted just as this number was being dialled. It may or may not have rung. "
    "Nobody is called again by itself.",
    "desk.call_too_long": "The call reached the longest time allowed and was ended.",
    "desk.number_not_allowed": "Numbers like {number} may not be dialled from here (see allowed_prefixes in the "
    "settings).",
    "desk.no_number": "This client has no number that can be dialled.",
}


# What is told of a database that cannot be written; each holds for a state of the call.
DATABASE_MESSAGES = frozenset({"desk.database_trouble", "desk.database_after_call", "desk.database_away"})


class DeskError(Exception):
    """The desk refuses what was asked; `code` is a key of `MESSAGES`."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(MESSAGES[code].format(**params))
        self.code = code
        self.params = params


def no_line(detail: str) -> DeskError:
    """Why nobody can be called, from what is wrong with the trunk: one that is not set up is tried by nobody."""
    if isinstance(detail, Reason) and detail.code == "trunk.not_set_up":
        return DeskError("desk.no_trunk")
    return DeskError("desk.trunk_down", detail=detail or "—")
