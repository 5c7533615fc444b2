"""The ledger: a SQL database of the activations of versions, the changes of items, the events and
profiles of users, impressions, traffic, and the service's keys.
"""

from fusionrec.ledger.keys import is_secret
from fusionrec.ledger.ledger import Ledger
from fusionrec.ledger.records import (
    LOOPBACK,
    Activation,
    Event,
    EventCount,
    Impression,
    ItemChange,
    Key,
    ListsShown,
    LogEntry,
    MissedSearch,
    Outcome,
    RecentActivity,
    Retraction,
    Revision,
    Traffic,
    UserState,
)

__all__ = [
    "LOOPBACK",
    "Activation",
    "Event",
    "EventCount",
    "Impression",
    "ItemChange",
    "Key",
    "Ledger",
    "ListsShown",
    "LogEntry",
    "MissedSearch",
    "Outcome",
    "RecentActivity",
    "Retraction",
    "Revision",
    "Traffic",
    "UserState",
    "is_secret",
]
