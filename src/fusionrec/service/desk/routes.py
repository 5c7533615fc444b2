"""All routes of the desk, in the order in which they are looked for."""

from fusionrec.service.desk import activity, items, shell, traffic, users, versions

ROUTERS = (
    shell.public,
    shell.router,
    versions.router,
    traffic.router,
    activity.router,
    items.router,
    users.router,
    shell.nothing,
)
