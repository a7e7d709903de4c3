"""Where organisations were found: directories, newspapers, the customer's own base."""

from __future__ import annotations

from sqlalchemy import Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.mapping import Base
from crm.text_rules import tidy


class Source(Base):
    """A source, by name."""

    __tablename__ = "sources"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)


async def source_named(session: AsyncSession, name: str) -> Source:
    """The source of that name, made if there is none."""
    name = tidy(name)
    found = await session.scalar(select(Source).where(Source.name == name))
    if found is None:
        found = Source(name=name)
        session.add(found)
        await session.flush()
    return found
