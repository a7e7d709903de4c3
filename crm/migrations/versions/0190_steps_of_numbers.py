"""In which of a few hundred steps each number for reports is, so that two ranges are found by the steps of one."""

from __future__ import annotations

import json
from itertools import product
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0190"
down_revision = "0180"
branch_labels = None
depends_on = None

_NUMBERS: Final = ("number_1", "number_2", "number_3")
_AT_ONCE: Final = 10_000
_columns = sa.table(
    "sheet_columns",
    *(sa.column(name) for name in ("sheet_id", "questionnaire_id", *_NUMBERS, "step_1", "step_2", "step_3")),
)


def upgrade() -> None:
    for number in _NUMBERS:
        op.add_column("sheet_columns", sa.Column(number.replace("number", "step"), sa.Integer(), nullable=True))
    _fill(op.get_bind())
    for stepped, number in product(_NUMBERS, _NUMBERS):
        if stepped != number:
            step = stepped.replace("number", "step")
            op.drop_index(f"ix_sheet_columns_{stepped}_{number}", "sheet_columns")
            op.create_index(
                f"ix_sheet_columns_{step}_{number}", "sheet_columns",
                ["questionnaire_id", step, number, "sheet_id", stepped],
            )  # fmt: skip


def _fill(bind: sa.Connection) -> None:
    marked = sa.text("SELECT questionnaire_id, key, place FROM report_questions WHERE place LIKE 'number%'")
    for questionnaire_id, key, place in bind.execute(marked).all():
        kind, last = _kind(bind, questionnaire_id, key), 0
        number = _columns.c[place]
        step = _columns.c[place.replace("number", "step")]
        while True:
            rows = bind.execute(
                sa.select(_columns.c.sheet_id, number)
                .where(_columns.c.questionnaire_id == questionnaire_id, _columns.c.sheet_id > last)
                .order_by(_columns.c.sheet_id)
                .limit(_AT_ONCE)
            ).all()
            if not rows:
                break
            last = rows[-1][0]
            changed = (
                sa.update(_columns).where(_columns.c.sheet_id == sa.bindparam("id")).values({step: sa.bindparam("s")})
            )
            values = [{"id": sheet_id, "s": _step(kind, value)} for sheet_id, value in rows if value is not None]
            if values:
                bind.execute(changed, values)


def _kind(bind: sa.Connection, questionnaire_id: int, key: str) -> str:
    """As it was asked last."""
    versions = sa.text("SELECT document FROM questionnaire_versions WHERE questionnaire_id = :id ORDER BY number DESC")
    for (document,) in bind.execute(versions, {"id": questionnaire_id}).all():
        questions: list[dict[str, Any]] = json.loads(document) if isinstance(document, str) else document
        kinds = [str(each["kind"]) for each in questions if each["key"] == key]
        if kinds:
            return kinds[0]
    return "number"


def _step(kind: str, value: int) -> int:
    if kind == "scale":
        return value // 1_000
    if kind == "date":
        return value // 16
    shift = max(abs(value).bit_length() - 4, 0)
    step = shift * 8 + (abs(value) >> shift)
    return step if value >= 0 else -step
