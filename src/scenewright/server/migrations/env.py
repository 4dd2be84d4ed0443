"""What alembic runs: migrations on a connection that is already open, in its transaction."""

from __future__ import annotations

from alembic import context

from scenewright.server.tables import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
context.run_migrations()
