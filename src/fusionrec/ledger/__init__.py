"""The ledger: a SQL database of the activations of versions, the changes of items, the events and
profiles of users, impressions, and the service's keys.
"""

from fusionrec.ledger.keys import is_secret
from fusionrec.ledger.ledger import Ledger
from fusionrec.ledger.records import (
    LOOPBACK,
    Activation,
    Event,
    Impression,
    ItemChange,
    Key,
    LogEntry,
    Outcome,
    RecentActivity,
    Revision,
    UserState,
)

__all__ = [
    "LOOPBACK",
    "Activation",
    "Event",
    "Impression",
    "ItemChange",
    "Key",
    "Ledger",
    "LogEntry",
    "Outcome",
    "RecentActivity",
    "Revision",
    "UserState",
    "is_secret",
]
