"""Loaders for the benchmark sets and for a user's own files. No detector is imported here."""

from .catalog import CATALOG, BuiltIn, Rows, built_in
from .digits import load_digits
from .files import Loaded, load_file
from .folder import data_folder, sha256_of
from .kdd99 import Kdd99, load_kdd99
from .mnist import load_mnist
from .picture_files import PictureFiles
from .pictures import PictureFile, PictureFolder, read_picture_folder
from .shards import NpyShards, ParquetShards, open_shards

__all__ = [
    "CATALOG",
    "BuiltIn",
    "Kdd99",
    "Loaded",
    "NpyShards",
    "ParquetShards",
    "PictureFile",
    "PictureFiles",
    "PictureFolder",
    "Rows",
    "built_in",
    "data_folder",
    "load_digits",
    "load_file",
    "load_kdd99",
    "load_mnist",
    "open_shards",
    "read_picture_folder",
    "sha256_of",
]
