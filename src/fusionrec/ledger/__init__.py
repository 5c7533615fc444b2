"""What must never be lost, on a SQL database: which version is active, which items were changed,
what users said and did, who may ask.
"""

from fusionrec.ledger.keys import is_secret
from fusionrec.ledger.ledger import Ledger
from fusionrec.ledger.records import (
    Activation,
    Event,
    Impression,
    ItemChange,
    Key,
    Outcome,
    Recent,
    Revision,
    UserState,
)

__all__ = [
    "Activation",
    "Event",
    "Impression",
    "ItemChange",
    "Key",
    "Ledger",
    "Outcome",
    "Recent",
    "Revision",
    "UserState",
    "is_secret",
]
