"""A call that comes in over the trunk."""

from __future__ import annotations

from collections.abc import Sequence

from dialer.engines.native.leg import NativeLeg, Signalling
from dialer.media.controller import MediaController, MediaError
from dialer.sip import sdp
from dialer.sip.address import user_of
from dialer.sip.errors import NotAcceptable
from dialer.sip.events import CallIncoming
from dialer.telephony import Leg, TelephonyError

NOT_ACCEPTABLE = 488
SERVICE_UNAVAILABLE = 503


class NativeIncomingLeg(NativeLeg):
    """Implements `dialer.telephony.IncomingLeg`."""

    def __init__(
        self,
        invitation: CallIncoming,
        signalling: Signalling,
        media: MediaController,
        codecs: Sequence[str],
        *,
        media_host: str,
    ) -> None:
        super().__init__(invitation.call_id, signalling, media, codecs, signalled_from=invitation.hop.host)
        self._media_host = media_host
        self._offer = self._early_sdp = invitation.sdp
        self.caller = user_of(invitation.from_uri)
        self.called = user_of(invitation.request_uri)
        self._taken = False

    async def answer(self, *, beside: Leg | None = None) -> None:
        """An INVITE without an offer gets ours, and the ACK brings their answer (RFC 3261 section 13.3.1.4)."""
        if self._taken or self._ended is not None:
            return
        self._taken = True
        try:
            local = await self._media.open_leg(self._id, beside=beside.id if beside is not None else None)
            description = sdp.build_offer(self._media_host, local.port, self._codecs)
            if self._offer:
                description = sdp.build_answer(self._offer, description)
                await self._connect(self._offer)
        except NotAcceptable as error:
            self._signalling.refuse_call(self._id, NOT_ACCEPTABLE)
            raise TelephonyError(f"the caller's sound cannot be had: {error}") from error
        except MediaError as error:
            self._signalling.refuse_call(self._id, SERVICE_UNAVAILABLE)
            raise TelephonyError(str(error)) from error
        self._signalling.answer_call(self._id, description)

    async def refuse(self, sip_code: int = 480) -> None:
        if not self._taken:
            self._taken = True
            self._signalling.refuse_call(self._id, sip_code)
