"""Looks at what `load realdata` did with the readers of others.

Usage: realdata.py count < paths.json    events of each file, or null
       realdata.py lake CATALOG WAREHOUSE

Both print JSON.
"""

import collections
import csv
import gzip
import io
import json
import sys
import zipfile

csv.field_size_limit(1 << 30)


def values(text):
    decode, at = json.JSONDecoder(strict=False).raw_decode, 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return
        value, at = decode(text, at)
        yield value


def count_json(text):
    n = 0
    for value in values(text):
        if isinstance(value, dict) and next(iter(value), "").lower() == "records" and isinstance(next(iter(value.values())), list):
            value = next(iter(value.values()))
        n += len(value) if isinstance(value, list) else 1
    return n


def count(data, name):
    """The number of events in data, or None if this reader knows no such form."""
    if data[:2] == b"\x1f\x8b":
        return count(gzip.decompress(data), name.removesuffix(".gz"))
    if data[:2] == b"PK":
        archive = zipfile.ZipFile(io.BytesIO(data))
        counts = [count(archive.read(m), m.filename) for m in archive.infolist() if not m.is_dir()]
        return sum(c for c in counts if c is not None)
    try:
        text = data.decode("utf-8-sig").strip()
        if text[:1] in ("{", "["):
            return count_json(text)
    except ValueError:
        return None
    if name.endswith(".csv"):
        return max(sum(1 for row in csv.reader(io.StringIO(text)) if row) - 1, 0)
    return None


def counts(paths):
    out = {}
    for path in paths:
        with open(path, "rb") as f:
            out[path] = count(f.read(), path)
    return out


def leaves(kind, into):
    for field in getattr(kind, "fields", ()):
        leaves(field.field_type, into)
    if not hasattr(kind, "fields"):
        into[str(kind).split("<")[0]] += 1


def table(con, t):
    import duckdb

    kinds = collections.Counter()
    leaves(t.schema().as_struct(), kinds)
    files = [task.file.file_path.removeprefix("file://") for task in t.scan().plan_files()]
    own = any(f.name == "_event_id" and f.required for f in t.schema().fields)
    out = {"rows": t.scan().count(), "kinds": dict(kinds), "ids": [], "sources": {}}
    if not files:
        return out
    try:
        source = "read_parquet(%r, union_by_name = true, hive_partitioning = false)" % files
        ids = con.execute('SELECT "%s" FROM %s' % ("_event_id" if own else "event_id", source)).fetchall()
        out["ids"] = [r[0] for r in ids]
        names = [f.name for f in t.schema().fields]
        if "time_source" in names:
            out["sources"] = dict(con.execute("SELECT time_source, count(*) FROM %s GROUP BY ALL" % source).fetchall())
    except duckdb.Error as e:
        sys.exit("read %s: %s" % (t.name(), e))
    return out


def lake(database, warehouse):
    import duckdb
    from pyiceberg.catalog.sql import SqlCatalog

    con = duckdb.connect()
    catalog = SqlCatalog("lakeward", uri=database, warehouse="file://" + warehouse, init_catalog_tables="false")
    out = {"tables": {}, "quarantine": []}
    for _, name in catalog.list_tables("lake"):
        t = catalog.load_table("lake." + name)
        if name == "quarantine":
            rows = t.scan(selected_fields=("subject", "message_id", "event_id", "reason")).to_arrow().to_pylist()
            out["quarantine"] = [{k: r[k] or "" for k in ("subject", "message_id", "event_id", "reason")} for r in rows]
        elif not name.startswith("ingest_"):
            out["tables"][name] = table(con, t)
    return out


if sys.argv[1] == "count":
    json.dump(counts(json.load(sys.stdin)), sys.stdout)
else:
    json.dump(lake(*sys.argv[2:]), sys.stdout)
