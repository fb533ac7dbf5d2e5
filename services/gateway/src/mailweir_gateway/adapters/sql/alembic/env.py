"""What Alembic runs; the connection and its transaction come from `mailweir_runtime.sql.migrate`."""

from alembic import context

from mailweir_gateway.adapters.sql.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
context.run_migrations()
