"""All routes of the desk, in the order in which they are looked for."""

from fusionrec.service.desk import shell, versions

ROUTERS = (shell.public, shell.router, versions.router, shell.nothing)
