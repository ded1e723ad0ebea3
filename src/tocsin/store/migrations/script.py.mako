"""${message}"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
from tocsin.store.tables import Moment

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Migrate forward; there is no way back but a restored backup."""
    ${upgrades if upgrades else "pass"}
