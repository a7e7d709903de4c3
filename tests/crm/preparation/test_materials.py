"""Materials: names that hurt nobody, content that is what it was, and a folder that nothing leaves."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import select

from crm.audit import MATERIAL_ADDED, MATERIAL_REMOVED, AuditEntry
from crm.errors import Conflict, NotFound, Refused
from crm.preparation.campaigns import get_campaign
from crm.preparation.materials import (
    LARGEST_BYTES,
    Material,
    MaterialKind,
    add_material,
    clean_name,
    get_material,
    keep_file,
    materials_of,
    path_of,
    read_file,
    remove_material,
)
from tests.crm.builders import NOON, World


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("КП на вентиляцию.PDF", "КП на вентиляцию.pdf"),
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\Анна\\кп.docx", "кп.docx"),
        ("отчёт\r\nSet-Cookie: a.pdf", "отчётSet-Cookie a.pdf"),
        ("прайс\u202exslx.pdf", "прайсxslx.pdf"),
        ("  a   b .txt", "a b.txt"),
        ("nul.txt", "_nul.txt"),
        ("б" * 300 + ".jpeg", "б" * 115 + ".jpeg"),
        ('"><script>.png', "script.png"),
    ],
)
def test_a_name_is_made_harmless(given: str, kept: str) -> None:
    assert clean_name(given) == kept


@pytest.mark.parametrize("name", ["кп.exe", "кп.html", "кп.svg", "кп.pdf.js", "кп", ".pdf", "", "кп.docm", "кп.pdf."])
def test_what_a_browser_or_an_office_would_run_is_not_taken(name: str) -> None:
    if name == "кп.pdf.":
        assert clean_name(name) == "кп.pdf"
        return
    with pytest.raises(Refused) as refused:
        clean_name(name)
    assert refused.value.code == "material.extension"


def test_content_is_kept_once_and_checked_when_it_is_read(tmp_path: Path) -> None:
    sha256 = keep_file(tmp_path, b"offer")
    assert sha256 == keep_file(tmp_path, b"offer") == hashlib.sha256(b"offer").hexdigest()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [sha256]
    assert path_of(tmp_path, sha256).stat().st_mode & 0o077 == 0
    material = Material(file_name="кп.pdf", sha256=sha256)
    assert read_file(tmp_path, material) == b"offer"
    path_of(tmp_path, sha256).write_bytes(b"another")
    for _changed_then_gone in range(2):
        with pytest.raises(NotFound) as lost:
            read_file(tmp_path, material)
        assert lost.value.code == "material.lost"
        path_of(tmp_path, sha256).unlink(missing_ok=True)


def test_neither_nothing_nor_too_much_is_kept(tmp_path: Path) -> None:
    for content, code in ((b"", "material.empty"), (bytes(LARGEST_BYTES + 1), "material.too_large")):
        with pytest.raises(Refused) as refused:
            keep_file(tmp_path, content)
        assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []


async def test_a_file_is_added_and_taken_off(world: World) -> None:
    digest = hashlib.sha256(b"offer").hexdigest()
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)

        async def add(kind: MaterialKind) -> Material:
            return await add_material(
                session, campaign=campaign, kind=kind, file_name="кп.pdf", sha256=digest, size_bytes=5, now=NOON
            )

        offer = await add(MaterialKind.OFFER)
        with pytest.raises(Conflict) as refused:
            await add(MaterialKind.OFFER)
        assert (refused.value.code, refused.value.params) == ("material.exists", {"name": "кп.pdf"})
        other = await add(MaterialKind.OTHER)
        assert [each.id for each in await materials_of(session, campaign.id)] == [offer.id, other.id]
        for _twice in range(2):
            await remove_material(session, material=offer, now=NOON)
        assert [each.id for each in await materials_of(session, campaign.id)] == [other.id]
        for campaign_id, material_id in ((campaign.id, offer.id), (campaign.id + 1, other.id), (campaign.id, 99)):
            with pytest.raises(NotFound) as unknown:
                await get_material(session, campaign_id=campaign_id, material_id=material_id)
            assert unknown.value.code == "material.unknown"
        await add(MaterialKind.OFFER)
    async with world.database.reading() as session:
        entries = await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id))
        assert [action for action in entries if action.startswith("material")] == [
            *(MATERIAL_ADDED, MATERIAL_ADDED, MATERIAL_REMOVED, MATERIAL_ADDED)
        ]
