"""Parquet and CSV bytes to Arrow buffers and back: untrusted input ends here, and no word of what columns mean.

Each format has a pair of modules with a header of its own. Only the readers and writers of `popstrat.formats` import
them; they raise ``ValueError`` (of Parquet: `parquet_read.ChunkError`), which those turn into messages.
"""
