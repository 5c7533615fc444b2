"""Tells by a file's name alone that it holds no table."""

from __future__ import annotations

# What has another ending, or none, is looked at.
_ENDINGS = (
    "png jpg jpeg gif webp svg bmp tif tiff ico heic mp3 mp4 avi mov wav ogg flac webm m4a "
    "pdf doc docx odt rtf ppt pptx odp epub tex ps html htm xhtml css scss js mjs ts tsx jsx "
    "py pyc pyi ipynb r rmd java c h cpp hpp cc go rs rb php pl sh bash bat ps1 scala kt swift "
    "lua jl sas sql md rst adoc toml yaml yml ini cfg conf env lock xml xsd xsl mk cmake "
    "pkl pickle joblib npy npz h5 hdf5 mat pt pth onnx safetensors pdparams bin exe dll so "
    "dylib o a whl jar class tar tgz 7z rar deb rpm iso ttf otf woff woff2 eml msg key pem crt "
    "tmp bak swp pid part crdownload ds_store gitignore md5 sha256 sha1 sig asc"
)
_STEMS = ("readme", "license", "licence", "copying", "notice", "changelog", "authors", "makefile",
          "dockerfile", "contributing", "citation")  # fmt: skip


def no_table_name(name: str) -> bool:
    """Whether a file of this name, or at this path, holds no table, whatever its content."""
    name = name.rpartition("/")[2].lower()
    stem, _, rest = name.partition(".")
    if stem in _STEMS and rest in ("", "txt", "md", "rst"):
        return True
    ending = name.rpartition(".")[2] if "." in name else ""
    return name.startswith((".", "~$")) or ending in _ENDINGS.split()
