"""Prints the rows of a table as JSON, one a line, in the order of "row".

Usage: rows.py CATALOG WAREHOUSE TABLE

First as pyarrow reads its files one by one, then a line "PyIceberg", then as a
scan of PyIceberg gives them. Null members of structs are left out, doubles are
their bits, times count from 1970, bytes are in hexadecimal.
"""

import datetime
import json
import struct
import sys

import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def plain(v):
    match v:
        case float():
            return struct.unpack("<q", struct.pack("<d", v))[0]
        case bytes():
            return v.hex()
        case datetime.datetime():
            return (v - EPOCH) // datetime.timedelta(microseconds=1)
        case datetime.date():
            return (v - EPOCH.date()).days
        case list():
            return [plain(e) for e in v]
        case dict():
            return {k: plain(m) for k, m in v.items() if m is not None}
    return v


def show(rows):
    for row in sorted(rows, key=lambda r: r["row"]):
        print(json.dumps(plain(row)))


def main():
    database, warehouse, name = sys.argv[1:]
    catalog = SqlCatalog("lakeward", uri=database, warehouse="file://" + warehouse, init_catalog_tables="false")
    scan = catalog.load_table("lake." + name).scan()
    rows = []
    for task in scan.plan_files():
        table = pq.ParquetFile(task.file.file_path.removeprefix("file://")).read()
        rows += table.drop([c for c in table.column_names if c.startswith("_copy_")]).to_pylist()
    show(rows)
    print("PyIceberg")
    show(scan.to_arrow().to_pylist())


if __name__ == "__main__":
    main()
