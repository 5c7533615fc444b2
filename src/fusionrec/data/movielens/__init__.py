"""MovieLens: its schema and its files."""

from fusionrec.data.movielens.schema import AGES, GENRES, MOVIELENS, OCCUPATIONS

__all__ = ["AGES", "GENRES", "MOVIELENS", "OCCUPATIONS"]
