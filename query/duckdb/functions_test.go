package duckdb

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// refusedFunctions are known and kept out on purpose.
const refusedFunctions = `current_setting current_database current_schema current_schemas current_query
current_query_id current_connection_id current_transaction_id txid_current currval nextval getvariable
in_search_path json_deserialize_sql json_serialize_plan json_serialize_sql parse_duckdb_log_message sleep_ms
setseed stats vector_type version write_log get_block_size current_catalog current_role current_user
session_user user constant_or_null create_sort_key finalize combine cast_to_type replace_type get_type
can_cast_implicitly timetz_byte_comparable variant_bytes_to_variant variant_normalize
variant_to_parquet_variant is_histogram_other_bin remap_struct`

// syntaxFunctions are not in the catalog: the binder knows them.
const syntaxFunctions = `unnest grouping grouping_id row_number rank dense_rank percent_rank cume_dist ntile lag
lead first_value last_value nth_value fill`

// TestFunctionListIsComplete fails when the library has a function on which
// nobody has decided. UPDATE_FUNCTIONS=1 writes the list anew.
func TestFunctionListIsComplete(t *testing.T) {
	c, err := Scratch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Query(t.Context(), `SELECT DISTINCT function_name FROM duckdb_functions()
		WHERE schema_name = 'main' AND function_type IN ('scalar', 'aggregate', 'macro')
		AND NOT starts_with(function_name, '__internal') AND NOT starts_with(function_name, 'icu_collate')`)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	refused := strings.Fields(refusedFunctions)
	want := strings.Fields(syntaxFunctions)
	for r.Next() {
		col := r.RecordBatch().Column(0).(*array.String)
		for i := range col.Len() {
			if f := strings.Clone(col.Value(i)); !slices.Contains(refused, f) {
				want = append(want, f)
			}
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if os.Getenv("UPDATE_FUNCTIONS") != "" {
		if err := os.WriteFile("functions.txt", []byte(strings.Join(want, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := strings.Fields(allowedFunctions); !slices.Equal(got, want) {
		t.Errorf("functions.txt differs from the library; decide on each new function, then run with UPDATE_FUNCTIONS=1")
	}
}
