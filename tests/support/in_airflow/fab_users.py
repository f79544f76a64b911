"""Make FAB's users for the tests: ``python fab_users.py PASSWORD``, in an Airflow's environment."""

import sys

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

with get_application_builder() as builder:
    manager = builder.sm
    manager.sync_roles()
    roles = {"admin": manager.find_role("Admin"), "nobody": manager.add_role("Nothing")}
    for name, role in {"reader": "OneDag", "leaver": "OneDagForNow"}.items():
        roles[name] = manager.add_role(role)
        manager.add_permission_to_role(
            roles[name], manager.create_permission("can_read", "DAG:visible")
        )
    for name, role in roles.items():
        made = manager.add_user(
            name, name, "Tester", f"{name}@tests.invalid", role, password=sys.argv[1]
        )
        if not made:
            raise SystemExit(f"cannot make {name}")
