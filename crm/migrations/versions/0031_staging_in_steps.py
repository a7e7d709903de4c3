"""Rows of a file that was read are kept, and those of a discarded one forgotten, in short steps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0050"
branch_labels = None
depends_on = None

_NAMES = "'staging', 'confirming', 'undoing', 'discarding'"
_STEPS = (
    "{0} IS NULL OR ({0} IN ('staging', 'confirming') AND state = 'staged')"
    " OR ({0} = 'undoing' AND state = 'confirmed') OR ({0} = 'discarding' AND state = 'discarded')"
)


def upgrade() -> None:
    # SQLite changes no condition. A column takes its own along when it is dropped, and a new one brings others.
    if op.get_bind().dialect.name == "postgresql":
        for name in ("under_way", "steps"):
            op.drop_constraint(op.f(f"ck_imports_{name}"), "imports", type_="check")
    op.execute(
        f"ALTER TABLE imports ADD COLUMN doing VARCHAR(24) CONSTRAINT ck_imports_under_way CHECK (doing IN ({_NAMES}))"
        f" CONSTRAINT ck_imports_steps CHECK ({_STEPS.format('doing')})"
    )
    op.execute("UPDATE imports SET doing = under_way")
    op.drop_column("imports", "under_way")
    op.execute("ALTER TABLE imports RENAME COLUMN doing TO under_way")
    kind = sa.DateTime(timezone=True).compile(dialect=op.get_bind().dialect)
    op.execute(
        f"ALTER TABLE imports ADD COLUMN step_at {kind} CONSTRAINT ck_imports_step_at"
        " CHECK (step_at IS NULL OR under_way = 'staging')"
    )
