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
    from fusionrec.data.schema import Schema
    from fusionrec.deploy.open import OpenVersion
    from fusionrec.errors import StoreError
    from fusionrec.evaluation.result import Result
    from fusionrec.index import Condition, Place
    from fusionrec.recommend.answer import Answer
    from fusionrec.recommend.batch import BatchRecommender
    from fusionrec.recommend.query import Query
    from fusionrec.recommend.recommender import Recommender as Engine
    from fusionrec.registry import Artifact

    Where = str | Sequence[str | Condition]

Home = str | Path | None
Texts = str | Sequence[object]
Ratings = Mapping[str, float] | Sequence[tuple[str, float]]


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
        log: takes a message on each epoch, such as ``print``.

    Raises:
        UsageError: there is no such model or preset, or the workspace cannot be written.
        ConfigError: a setting is unknown or out of its range.
        TrainingError: the training went astray.
    """
    recipe = _recipe(model, preset, settings)
    with _own_log():
        from fusionrec.training.progress import log_epochs
        from fusionrec.training.train import train as run

    workspace = Workspace.find(home)
    return Model(workspace, run(dataset, recipe, workspace, log_epochs(log), log=log))


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
        protocol: the question, such as ``next-item`` or ``rating``.
        model: which is trained on each split's training rows and thrown away afterwards; one that
            was trained on such a split; or None for baselines alone.
        preset, settings: as of ``train``.
        k: length of the lists.
        seeds: of splits and trainings.
        baselines: their names; all that the data set can serve by default.
        log: takes messages on what is under way.

    Raises:
        UsageError: the data set, an option or the model does not suit the protocol, or the model
            may have seen the test.
    """
    from fusionrec.evaluation.model_source import TrainedVersion, TrainOnSplit
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

    Milvus is opened when a question needs it first: what can be refused is refused before.

    Args:
        home: the workspace or its folder, as of ``read_data``.
        version: such as ``v3``; the active one by default, else the newest.
        milvus: as of ``Model.index``; by default where the version was indexed. Where it was not,
            or that cannot be reached, the artifact's own vectors answer, and the answer says so.
        log: takes messages on what takes long.

    Raises:
        ArtifactError: the workspace has no version, or it is damaged.
        UsageError: there is no version of that name.
    """

    def __init__(
        self,
        home: Home | Workspace = None,
        *,
        version: str | None = None,
        milvus: str | Place = "",
        log: Log = _silent,
    ) -> None:
        from fusionrec.deploy.deployment import resolve
        from fusionrec.recommend.catalog import current
        from fusionrec.recommend.feedback import Feedback
        from fusionrec.recommend.recommender import Recommender as Engine

        workspace = home if isinstance(home, Workspace) else Workspace.find(home)
        place = _place_in(workspace, milvus) if isinstance(milvus, str) else milvus
        # Whatever becomes active meanwhile: towers and index must be of one version.
        self._deployed, self._log = replace(resolve(workspace, version, place), named=True), log
        ledger = self._deployed.ledger
        self._engine = Engine(current(self._deployed.artifact, ledger), None)
        self._feedback = Feedback(ledger)
        self._opened: OpenVersion | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the store; closing twice does nothing."""
        if self._opened is not None:
            self._opened.recommender.close()

    @property
    def version(self) -> str:
        """The name of the version that answers."""
        return self._deployed.artifact.version

    @property
    def schema(self) -> Schema:
        """The fields of users and items."""
        return self._deployed.artifact.schema

    @property
    def problem(self) -> StoreError | None:
        """Why the artifact answered instead of Milvus; None where it did not."""
        return None if self._opened is None else self._opened.problem

    def recommend(
        self,
        user: object = None,
        *,
        profile: Mapping[str, object] | None = None,
        liked: Texts = (),
        rated: Ratings | None = None,
        k: int = 10,
        where: Where = (),
        only: Texts = (),
        without: Texts = (),
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
            rated: item, by id or title -> the person's rating of it, or pairs of these; not for a
                version whose interactions are events.
            k: items wanted.
            where: conditions that every item must meet, such as ``year=1980..1989``, or typed ones
                such as ``index.Only``.
            only, without: the only items wanted, and items not wanted, by id or title.
            seen, explain, diversity, calibration: as of ``recommend.query.Query``.

        Raises:
            UsageError: the user is unknown and nothing else was said, or a value is none that can
                be used.
            StoreError: the store failed.
        """
        query = self._query(
            user,
            profile,
            rated,
            liked=liked,
            k=k,
            where=where,
            only=only,
            without=without,
            seen=seen,
            explain=explain,
            diversity=diversity,
            calibration=calibration,
        )
        person = self._engine.person(query)
        if person.vector is None:
            return self._engine.recommend_to(person, query)
        return self._with_index().recommend_to(person, query)

    def similar(
        self, item: object, *, k: int = 10, where: Where = (), only: Texts = (), without: Texts = ()
    ) -> Answer:
        """Items whose vectors are nearest to an item's, which is named by id or title.

        Raises:
            UsageError: there is no such item, or a condition is none.
            StoreError: the store failed.
        """
        from fusionrec.recommend.query_builder import QueryRequest, conditions

        items = self._engine.finder
        named = items.item(str(item)) or str(item)
        items.row(named)
        request = QueryRequest.of(k=k, where=where, only=only, without=without)
        return self._with_index().similar(named, request.k, conditions(request, items))

    def search(
        self,
        words: str,
        *,
        user: object = None,
        profile: Mapping[str, object] | None = None,
        liked: Texts = (),
        rated: Ratings | None = None,
        k: int = 10,
        where: Where = (),
        only: Texts = (),
        without: Texts = (),
        seen: bool = True,
    ) -> Answer:
        """Items by words of titles and categories, and where it is said for whom, by their taste as
        well; the arguments are those of ``recommend``.

        Raises:
            UsageError: there is no word in the text; else as of ``recommend``.
            StoreError: the store failed.
        """
        query = self._query(
            user,
            profile,
            rated,
            liked=liked,
            k=k,
            where=where,
            only=only,
            without=without,
            seen=seen,
        )
        if not isinstance(words, str):
            raise UsageError(f"words must be one text, got a {type(words).__name__}")
        by_taste = query.user is not None or query.profile or query.history
        engine = self._with_index() if by_taste else self._engine
        return engine.search(words, query)

    def recommend_all(self, *, k: int = 10, where: Where = (), seen: bool = False) -> Any:
        """The answers for all users of the version: a pandas DataFrame with a row for each user
        and item; see ``recommend.batch.table``.

        Raises:
            UsageError: a condition is none.
        """
        from fusionrec.recommend.batch import Lists, table

        batch = self.batch(k=k, where=where, seen=seen)
        lists = Lists.joined([Lists.none(), *(lists for lists, _ in batch.lists())])
        return table(lists, self._engine).to_pandas()

    def write_all(
        self, file: str | Path, *, k: int = 10, where: Where = (), seen: bool = False
    ) -> int:
        """The same as a Parquet file, in bounded memory; gives how many rows it has.

        Raises:
            UsageError: a condition is none, or the file cannot be written.
        """
        from fusionrec.recommend.batch import write_answers

        return write_answers(Path(file), self.batch(k=k, where=where, seen=seen))

    def batch(
        self,
        *,
        k: int = 10,
        where: Where = (),
        only: Texts = (),
        without: Texts = (),
        seen: bool = False,
        threads: int = 1,
    ) -> BatchRecommender:
        """What answers all users of the version, block by block; the arguments are those of
        ``recommend``.

        Raises:
            UsageError: a condition is none, or the version knows no users.
        """
        from fusionrec.recommend.batch import BatchRecommender
        from fusionrec.recommend.query import Query
        from fusionrec.recommend.query_builder import QueryRequest, conditions

        request = QueryRequest.of(k=k, where=where, only=only, without=without)
        query = Query(k=request.k, where=conditions(request, self._engine.finder), seen=seen)
        return BatchRecommender(self._engine, self._feedback, query, threads=threads)

    def _query(self, *person: object, **wanted: object) -> Query:
        """For whom it is asked, with what they said since the training."""
        from fusionrec.recommend.query_builder import QueryRequest, build_query

        request = QueryRequest.of(*person, **wanted)  # type: ignore[arg-type]
        return build_query(request, self._engine.finder, self._feedback)[0]

    def _with_index(self) -> Engine:
        """The recommender over its index, opened when it is first needed."""
        from fusionrec.deploy.open import open_deployment

        if self._opened is None:
            self._opened = open_deployment(self._deployed, self._log, before=self._engine)
        return self._opened.recommender


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
