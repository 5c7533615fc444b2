"""fusionrec from Python: the command line's words, thin over the rooms that do the work.

import fusionrec

data = fusionrec.read_frames(orders, items=products, user="customer", item="sku")
model = fusionrec.train(data, home="shop")
with fusionrec.Recommender("shop") as recommender:
    answer = recommender.recommend(user="c7", k=5)
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log, UsageError
from fusionrec.models.presets import AnyRecipe, preset_recipe
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.evaluation.result import Result
    from fusionrec.index import Condition, Place
    from fusionrec.recommend.answer import Answer
    from fusionrec.recommend.batch import BatchRecommender
    from fusionrec.recommend.query import Query, Rated
    from fusionrec.registry import Artifact
    from fusionrec.training.progress import TrainingState

    Where = str | Sequence[str | Condition]

Home = str | Path | None
Texts = str | Sequence[object]


def _silent(_: str) -> None:
    """Says nothing."""


def read_data(name_or_path: str | Path, home: Home = None) -> Dataset:
    """A data set by name (``ml-1m``, ``ml-100k``, ``synthetic``) or by the path of its files.

    Args:
        name_or_path: as ``--data`` of the command line; a folder with a ``fusionrec.toml``, say.
        home: the workspace's folder, for downloads and what is kept of files; by default
            ``FUSIONREC_HOME``, else ``./.fusionrec``.

    Raises:
        UsageError: neither a known name nor an existing path.
        DataError: the files are missing or damaged.
    """
    from fusionrec.data.catalog import load

    return load(str(name_or_path), Workspace.find(home).data)


@dataclass(frozen=True)
class Model:
    """A trained model: a version in a workspace.

    Attributes:
        workspace: where it lies.
        artifact: its vectors, tables and towers.
    """

    workspace: Workspace
    artifact: Artifact

    @property
    def version(self) -> str:
        """Its name, such as ``v3``."""
        return self.artifact.version

    def index(self, milvus: str = "") -> str:
        """Puts its item vectors into Milvus and makes it the version that answers.

        Args:
            milvus: a path or ``http(s)://host:port``; by default the embedded Milvus of the
                workspace.

        Returns:
            The place, without secrets.

        Raises:
            StoreError: the store cannot be reached or written.
        """
        from fusionrec.deploy.build import build_index

        return build_index(self.workspace, self.artifact, _place_in(self.workspace, milvus))


def train(
    dataset: Dataset,
    model: str = "fusion",
    preset: str = "quick",
    *,
    home: Home = None,
    settings: Mapping[str, Any] | None = None,
    log: Log = _silent,
) -> Model:
    """Trains a model and saves it as the workspace's next version.

    Args:
        dataset: what it learns from.
        model: ``fusion`` reads ids and profiles, ``sequence`` a person's history and profile.
        preset: named settings: ``quick`` is soon done, ``full`` the most accurate.
        home: the workspace's folder, as of ``read_data``.
        settings: others by name, such as ``{"training.epochs": 5}``.
        talk: told what each epoch comes to; ``print``, say.

    Raises:
        UsageError: there is no such model or preset, or the workspace cannot be written.
        ConfigError: a setting is unknown or out of its range.
        TrainingError: the training went astray.
    """
    recipe = _recipe(model, preset, settings)
    with _own_log():
        from fusionrec.training.train import train as run

    workspace = Workspace.find(home)
    return Model(workspace, run(dataset, recipe, workspace, _Epochs(log), log=log))


def evaluate(
    dataset: Dataset,
    protocol: str = "next-item",
    *,
    model: str | Model | None = "fusion",
    preset: str = "quick",
    settings: Mapping[str, Any] | None = None,
    k: int = 10,
    seeds: Sequence[int] = (0,),
    baselines: Sequence[str] | None = None,
    log: Log = _silent,
) -> Result:
    """Measures a model beside baselines, on the same splits; see ``docs/evaluation.md``.

    Args:
        dataset: the data set.
        protocol: the question, such as ``next-item`` or ``random``.
        model: which is trained on each split's training rows and thrown away afterwards; one that
            was trained on such a split; or None for baselines alone.
        preset, settings: as of ``train``.
        k: length of the lists.
        seeds: of splits and trainings.
        baselines: their names; all that the data set can serve by default.
        talk: told what is under way.

    Raises:
        UsageError: the data set, an option or the model does not suit the protocol, or the model
            may have seen the test.
    """
    from fusionrec.evaluation.candidates import TrainedVersion, TrainOnSplit
    from fusionrec.evaluation.protocols import ProtocolOptions, named
    from fusionrec.evaluation.run import evaluate as run

    chosen = None if baselines is None else tuple(baselines)
    asked = ProtocolOptions(seeds=tuple(seeds), k=k, baselines=chosen)
    if isinstance(model, Model):
        source: TrainOnSplit | TrainedVersion | None = TrainedVersion(model.artifact)
    else:
        source = TrainOnSplit(_recipe(model, preset, settings)) if model is not None else None
    with _own_log():
        return run(dataset, named(protocol), asked, source, log=log)


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
        log: Log = _silent,
    ) -> None:
        from fusionrec.deploy.open import open_recommender
        from fusionrec.ledger import Ledger
        from fusionrec.recommend.feedback import Feedback

        workspace = Workspace.find(home)
        place = _place_in(workspace, milvus)
        self._room = open_recommender(workspace, version=version, place=place, log=log)
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

    def _everyone(self, k: int, where: Where, seen: bool) -> BatchRecommender:
        from fusionrec.recommend.batch import BatchRecommender
        from fusionrec.recommend.query import Query

        wished = Query(k=k, where=self._where(where), seen=seen)
        return BatchRecommender(self._room, self._feedback, wished)

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
        return self._feedback.enrich(query, self._room.catalog)

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


class _Epochs:
    """Tells of each epoch when it has ended."""

    def __init__(self, log: Log) -> None:
        self._log, self._told = log, 0

    def __call__(self, progress: TrainingState) -> None:
        for epoch in progress.epochs[self._told :]:
            held_out = (
                f", validation {epoch.validation:.4f}" if epoch.validation is not None else ""
            )
            self._log(f"epoch {epoch.number}: train {epoch.train:.4f}{held_out}")
        self._told = len(progress.epochs)


@contextmanager
def _own_log() -> Iterator[None]:
    """Keeps the program's own logging: Paddle, when it is imported, gives a root logger without
    handlers one that prints every library's talk.
    """
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        yield
    finally:
        if not before:
            root.handlers.clear()
            root.setLevel(level)


def _recipe(model: str, preset: str, settings: Mapping[str, Any] | None) -> AnyRecipe:
    # What JSON writes of numbers, texts, truths and lists is TOML as well.
    written = {name: json.dumps(value) for name, value in (settings or {}).items()}
    return preset_recipe(model, preset).change(written)


def _place_in(workspace: Workspace, milvus: str) -> Place:
    """A store by its URI; the workspace's own way to one where that is empty.

    Raises:
        UsageError: the URI is of no known form.
        ConfigError: a setting is out of its range.
    """
    from fusionrec.index import place_from

    return place_from({"uri": milvus} if milvus else {}, file=workspace.settings)
