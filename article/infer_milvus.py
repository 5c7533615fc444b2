"""Recommends five films to a person of some age, gender and occupation, searched in Milvus."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing, nullcontext, suppress
from pathlib import Path

import click
import numpy as np
from films import (
    DATA,
    MAKE_MODEL,
    MODEL,
    Film,
    check_origin,
    features_of,
    kept,
    load_model,
    move_in,
    numbered,
    read_numbered,
)

from fusionrec.artifact import Artifact
from fusionrec.artifact.model import sha256
from fusionrec.artifact.tables import read_array, read_table, write_table
from fusionrec.cli import run
from fusionrec.cli.output import ByteProgress, say, show_rows
from fusionrec.data.dataset import Table
from fusionrec.data.movielens import AGES, GENRES, MOVIELENS, OCCUPATIONS
from fusionrec.data.readers import read_films
from fusionrec.errors import DataError, StoreDamagedError, StoreError, StoreUnavailableError
from fusionrec.index import ExactIndex, MilvusIndex, wipe
