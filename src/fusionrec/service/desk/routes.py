"""All routes of the desk, in the order in which they are looked for."""

from fusionrec.service.desk import items, shell, users, versions

ROUTERS = (shell.public, shell.router, versions.router, items.router, users.router, shell.nothing)
