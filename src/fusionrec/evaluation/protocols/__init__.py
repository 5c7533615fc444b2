"""The protocols: splits, tested users, relevant items and baselines."""

from fusionrec.errors import UsageError
from fusionrec.evaluation.protocols.common import Protocol, ProtocolOptions, SplitRun
from fusionrec.evaluation.protocols.global_time import GlobalTime
from fusionrec.evaluation.protocols.new_item import NewItem
from fusionrec.evaluation.protocols.new_user import NewUser
from fusionrec.evaluation.protocols.next_item import NextItem
from fusionrec.evaluation.protocols.random_holdout import RandomHoldout
from fusionrec.evaluation.protocols.ranking import RankingProtocol, Task
from fusionrec.evaluation.protocols.rating import Rating

ALL: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (Rating(), NextItem(), RandomHoldout(), NewUser(), NewItem(), GlobalTime())
}


def named(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in ALL:
        raise UsageError(f"there is no protocol {name!r}; there are {', '.join(ALL)}")
    return ALL[name]


__all__ = ["ALL", "Protocol", "ProtocolOptions", "RankingProtocol", "SplitRun", "Task", "named"]
