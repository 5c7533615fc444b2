"""MovieLens: its schema, its files, and a made-up sample of the same shape."""

from fusionrec.data.movielens.schema import AGES, GENRES, MOVIELENS, OCCUPATIONS

__all__ = ["AGES", "GENRES", "MOVIELENS", "OCCUPATIONS"]
