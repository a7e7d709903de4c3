"""GET /status: how the lines of the running service are, for `dialer check` and whoever watches over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from aiohttp import web

from crm.mail import outbox
from crm.office import users
from dialer.console.web.deps import DEPS
from dialer.reasons import packed, unpacked
from dialer.telephony import HeadsetStatus, TrunkStatus


@dataclass(frozen=True, slots=True)
class MailStatus:
    """How mail is: `on`, a server is set up; `trouble`, why it takes nothing, or ""; messages that wait, and those that
    were given up."""

    on: bool = False
    trouble: str = ""
    waiting: int = 0
    failed: int = 0

    def to_json(self) -> dict[str, object]:
        return {"on": self.on, "trouble": packed(self.trouble), "waiting": self.waiting, "failed": self.failed}

    @classmethod
    def from_json(cls, said: object) -> Self:
        """That of a service without mail for anything that `to_json` does not make."""
        match said:
            case {"on": bool(on), "trouble": str(trouble), "waiting": int(waiting), "failed": int(failed)}:
                return cls(on, unpacked(trouble), waiting, failed)
            case _:
                return cls()


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """`started_at` tells services apart: it is the one in the database that this service has locked, `None` when it has
    none. `headsets`: by SIP user name, those of active users."""

    started_at: datetime | None
    lines: TrunkStatus
    headsets: Mapping[str, HeadsetStatus]
    mail: MailStatus = MailStatus()

    def trunk(self) -> TrunkStatus:
        return self.lines

    def headset(self, name: str) -> HeadsetStatus:
        """Not registered, if the service knows none of that name."""
        return self.headsets.get(name, HeadsetStatus(registered=False))

    def to_json(self) -> dict[str, object]:
        return {
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "trunk": {"ready": self.lines.ready, "detail": packed(self.lines.detail)},
            "headsets": {
                name: {"registered": status.registered, "contact": status.contact}
                for name, status in self.headsets.items()
            },
            "mail": self.mail.to_json(),
        }

    @classmethod
    def from_json(cls, said: object) -> Self:
        """Raises `ValueError` for anything that `to_json` does not make."""
        match said:
            case {
                "started_at": started_at,
                "trunk": {"ready": bool(ready), "detail": str(detail)},
                "headsets": dict(h),
                **more,
            }:
                try:
                    return cls(
                        datetime.fromisoformat(started_at) if started_at else None,
                        TrunkStatus(ready, unpacked(detail)),
                        {str(name): HeadsetStatus(bool(s["registered"]), str(s["contact"])) for name, s in h.items()},
                        MailStatus.from_json(more.get("mail")),
                    )
                except (TypeError, KeyError) as error:
                    raise ValueError("this is no status of a service") from error
            case _:
                raise ValueError("this is no status of a service")


async def status(request: web.Request) -> web.StreamResponse:
    """GET /status, for this machine and for administrators."""
    deps = request.app[DEPS]
    running = await deps.database.running_service(node=deps.service.node, further_node=deps.service.further_node)
    async with deps.database.reading() as session:
        names = [user.headset for user in await users.list_users(session) if user.active and user.headset]
        counts = await outbox.counts(session)
    health = deps.mail_health()
    found = ServiceStatus(
        running.started_at if running else None,
        deps.desk.trunk(),
        {name: deps.desk.headset(name) for name in names},
        MailStatus(health.on, health.trouble, counts.waiting, counts.failed),
    )
    return web.json_response(found.to_json())
