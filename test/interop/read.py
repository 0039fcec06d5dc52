"""Reads a lake as a stranger would, and prints what it found as JSON.

Usage: read.py CATALOG WAREHOUSE < checks.json

CATALOG is SQLAlchemy's URL of the database.

checks.json: [{"table": name, "sql": select over t, "since": RFC 3339 or "",
"at": id of a snapshot or 0}].
Each is answered by PyIceberg (through its SqlCatalog, by field id) and by
DuckDB (through its iceberg extension if it is installed, else over the files
that PyIceberg's plan names).
"""

import json
import sys

import duckdb
from pyiceberg.catalog.sql import SqlCatalog


def query(con, sql):
    return [[None if v is None else str(v) for v in row] for row in con.execute(sql).fetchall()]


def scan_of(table, check):
    return table.scan(snapshot_id=check["at"] or None)


def files_of(table, check):
    return [task.file.file_path.removeprefix("file://") for task in scan_of(table, check).plan_files()]


def by_pyiceberg(table, check):
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.register("t", scan_of(table, check).to_arrow())
    return query(con, check["sql"])


def by_duckdb(table, check):
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    try:
        con.execute("LOAD iceberg")
        source, how = "iceberg_scan('%s'%s)" % (table.metadata_location, ", snapshot_from_id = %d" % check["at"] if check["at"] else ""), "iceberg extension"
    except duckdb.Error:
        source, how = "read_parquet(%r, union_by_name = true, hive_partitioning = false)" % files_of(table, check), "file list of PyIceberg's plan"
    con.execute("CREATE VIEW t AS SELECT * FROM " + source)
    return query(con, check["sql"]), how


def main():
    database, warehouse = sys.argv[1:]
    catalog = SqlCatalog("lakeward", uri=database, warehouse="file://" + warehouse, init_catalog_tables="false")
    out = {"tables": sorted(".".join(t) for t in catalog.list_tables("lake")), "answers": []}
    for check in json.load(sys.stdin):
        table = catalog.load_table("lake." + check["table"])
        rows, how = by_duckdb(table, check)
        answer = {"pyiceberg": by_pyiceberg(table, check), "duckdb": rows, "how": how,
                  "count": scan_of(table, check).count(), "snapshots": len(table.metadata.snapshots)}
        if check["since"]:
            scan = table.scan(row_filter="time >= '%s'" % check["since"])
            answer["since"] = scan.to_arrow().num_rows
            answer["files_since"] = len(list(scan.plan_files()))
        out["answers"].append(answer)
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main()
