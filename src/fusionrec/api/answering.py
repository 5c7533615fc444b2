"""Answers from a workspace, in the command line's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fusionrec.api.places import Home, place_in
from fusionrec.config import Workspace
from fusionrec.errors import UsageError

if TYPE_CHECKING:
    from fusionrec.index import Condition
    from fusionrec.recommend.answer import Answer
    from fusionrec.recommend.batch import Everyone
    from fusionrec.recommend.query import Query, Rated

    Where = str | Sequence[str | Condition]

Talk = Callable[[str], None]
Texts = str | Sequence[object]


def _silent(_: str) -> None:
    """Says nothing."""


class Recommender:
    """Answers from a workspace's version, with all changes of items until it was opened, and with
    what users said until the moment they are answered. To be closed, or used with ``with``.

    Args:
        home: the workspace's folder, as of ``read_data``.
        version: such as ``v3``; the active one by default, else the newest.
        milvus: as of ``Model.index``; by default where the version was indexed. Where it was not,
            or that cannot be reached, the artifact's own vectors answer, and the answer says so.
        talk: told what takes long.

    Raises:
        ArtifactError: the workspace has no version, or it is damaged.
        UsageError: there is no version of that name.
    """

    def __init__(
        self,
        home: Home = None,
        *,
        version: str | None = None,
        milvus: str = "",
        talk: Talk = _silent,
    ) -> None:
        from fusionrec.deploy.open import open_recommender
        from fusionrec.ledger import Ledger
        from fusionrec.recommend.feedback import Feedback

        workspace = Workspace.find(home)
        place = place_in(workspace, milvus)
        self._room = open_recommender(workspace, version=version, place=place, talk=talk)
        self._feedback = Feedback(Ledger(workspace.ledger))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the store; closing twice does nothing."""
        self._room.close()

    @property
    def version(self) -> str:
        """The name of the version that answers."""
        return self._room.artifact.version

    def recommend(
        self,
        user: object = None,
        *,
        profile: Mapping[str, object] | None = None,
        liked: Texts = (),
        rated: Mapping[str, float] | None = None,
        k: int = 10,
        where: Where = (),
        seen: bool = False,
        explain: bool = False,
        diversity: float = 0.0,
        calibration: float = 0.0,
    ) -> Answer:
        """Items for a user, a profile, someone who likes some items, or any mixture; the most
        popular where nothing is said.

        Args:
            user: an id of the training data or of feedback; a number becomes its digits.
            profile: what is known of the person; it wins over what is stored.
            liked: items that the person likes, by id or title.
            rated: item, by id or title -> the person's rating of it; not for a version whose
                interactions are events.
            k: items wanted.
            where: conditions that every item must meet, such as ``year=1980..1989``, or typed ones
                such as ``index.Only``.
            seen, explain, diversity, calibration: as of ``people.Query``.

        Raises:
            UsageError: the user is unknown and nothing else was said, or a value is none that can
                be used.
            StoreError: the store failed.
        """
        query = self._query(user, profile, liked, rated)
        wished = replace(
            query,
            k=k,
            where=self._where(where),
            seen=seen,
            explain=explain,
            diversity=diversity,
            calibration=calibration,
        )
        return self._room.recommend(wished)

    def similar(self, item: object, *, k: int = 10, where: Where = ()) -> Answer:
        """Items whose vectors are nearest to an item's, which is named by id or title.

        Raises:
            UsageError: there is no such item, or a condition is none.
            StoreError: the store failed.
        """
        named = self._room.finder.item(str(item)) or str(item)
        return self._room.similar(named, k, self._where(where))

    def search(
        self,
        words: str,
        *,
        user: object = None,
        profile: Mapping[str, object] | None = None,
        liked: Texts = (),
        rated: Mapping[str, float] | None = None,
        k: int = 10,
        where: Where = (),
        seen: bool = True,
    ) -> Answer:
        """Items by words of titles and categories, and where it is said for whom, by their taste as
        well; the arguments are those of ``recommend``.

        Raises:
            UsageError: there is no word in the text; else as of ``recommend``.
            StoreError: the store failed.
        """
        query = self._query(user, profile, liked, rated)
        return self._room.search(words, replace(query, k=k, where=self._where(where), seen=seen))

    def recommend_all(self, *, k: int = 10, where: Where = (), seen: bool = False) -> Any:
        """The answers for all users of the version: a pandas DataFrame with a row for each user
        and item; see ``everyone.table``.

        Raises:
            UsageError: a condition is none.
        """
        from fusionrec.recommend.batch import Lists, table

        everyone = self._everyone(k, where, seen)
        lists = Lists.joined([Lists.none(), *(lists for lists, _ in everyone.lists())])
        return table(lists, self._room).to_pandas()

    def write_all(
        self, file: str | Path, *, k: int = 10, where: Where = (), seen: bool = False
    ) -> int:
        """The same as a Parquet file, in bounded memory; gives how many rows it has.

        Raises:
            UsageError: a condition is none, or the file cannot be written.
        """
        from fusionrec.recommend.batch import write_answers

        return write_answers(Path(file), self._everyone(k, where, seen))

    def _everyone(self, k: int, where: Where, seen: bool) -> Everyone:
        from fusionrec.recommend.batch import Everyone
        from fusionrec.recommend.query import Query

        wished = Query(k=k, where=self._where(where), seen=seen)
        return Everyone(self._room, self._feedback, wished)

    def _query(
        self,
        user: object,
        profile: Mapping[str, object] | None,
        liked: Texts,
        rated: Mapping[str, float] | None,
    ) -> Query:
        """For whom it is asked, with what they said since the training."""
        from fusionrec.recommend.query import Query

        known = {name: _text(name, value) for name, value in (profile or {}).items()}
        history = self._room.named(self._history(liked, rated or {}))
        query = Query(None if user is None else _text("user", user), known, history)
        return self._feedback.enrich(query, self._room.catalogue)

    def _history(self, liked: Texts, rated: Mapping[str, float]) -> list[Rated]:
        from fusionrec.recommend.query import Rated, check_rated

        schema = self._room.artifact.schema
        check_rated(rated, schema, "liked=[ITEM]")
        like = schema.like
        named = [Rated(item, like, named=True) for item in _texts(liked)]
        given = {str(item): _rating(item, rating) for item, rating in rated.items()}
        return [*named, *(Rated(item, rating) for item, rating in given.items())]

    def _where(self, where: Where) -> list[Condition]:
        from fusionrec.index import read_conditions

        given = [where] if isinstance(where, str) else list(where)
        written = [one for one in given if isinstance(one, str)]
        typed = [one for one in given if not isinstance(one, str)]
        return [*read_conditions(self._room.artifact.schema, written), *typed]


def _texts(given: Texts) -> list[str]:
    return [given] if isinstance(given, str) else [str(one) for one in given]


def _text(name: str, value: object) -> str:
    """A value as text.

    Raises:
        UsageError: it is a whole number of more digits than Python writes.
    """
    try:
        return str(value)
    except ValueError as error:
        raise UsageError(f"{name} has too many digits: {error}") from error


def _rating(item: object, rating: object) -> float:
    """The rating of an item.

    Raises:
        UsageError: it is no number that a float holds.
    """
    try:
        return float(rating)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        said = f"rated: the rating of {item} must be a number, got a {type(rating).__name__}"
        raise UsageError(f"{said} that is none ({error})") from error
