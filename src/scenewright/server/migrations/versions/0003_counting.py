"""A user's videos that wait are counted by an index alone, however many there are."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("videos_counted", "videos", ["owner_id", "status", "deleted_at"])


def downgrade() -> None:
    op.drop_index("videos_counted", "videos")
