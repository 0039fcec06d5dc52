package duckdb

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/query/duckdb/syntax"
)

// decoded is what the engine's parser says of a statement; nil if it is none.
func decoded(t *testing.T, p *Parser, sql string) map[string]any {
	t.Helper()
	text, err := p.serialize(sql)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	if out["error"] == true {
		return nil
	}
	return out
}

// objects are the nodes of a tree that is not typed.
func objects(v any, each func(map[string]any)) {
	switch n := v.(type) {
	case []any:
		for _, e := range n {
			objects(e, each)
		}
	case map[string]any:
		for _, e := range n {
			objects(e, each)
		}
		each(n)
	}
}

func isNode(n map[string]any) bool {
	_, class := n["class"]
	typ, _ := n["type"].(string)
	return class || typ != "" && !slices.Contains([]string{"ASCENDING", "DESCENDING", "ORDER_DEFAULT"}, typ) &&
		!strings.HasSuffix(typ, "_TYPE_INFO")
}

// TestATreeHasAllOfAStatement compares trees of random statements with what they were made of.
func TestATreeHasAllOfAStatement(t *testing.T) {
	p, err := NewParser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	g := &statements{Rand: rand.New(rand.NewPCG(1, 2))}
	parsed := 0
	for range 300 {
		sql := g.query()
		want := decoded(t, p, sql)
		if want == nil {
			continue
		}
		parsed++
		tree, err := syntax.NewDecoder().Decode(want["statements"].([]any)[0])
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		data, err := syntax.Encode(tree)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n%s", sql, data)
		}
		nodes, walked := 0, 0
		objects(want, func(n map[string]any) {
			if isNode(n) {
				nodes++
			}
		})
		for range syntax.All(tree.Node) {
			walked++
		}
		if nodes != walked {
			t.Errorf("%s: %d nodes of %d", sql, walked, nodes)
		}
	}
	if parsed < 200 {
		t.Errorf("only %d statements parse", parsed)
	}
}

// TestWhatIsNotDescribedIsRefused changes a statement's tree at every place.
func TestWhatIsNotDescribedIsRefused(t *testing.T) {
	p, err := NewParser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	tree := decoded(t, p, `WITH c AS (SELECT DISTINCT ON (a) a FROM lake.x TABLESAMPLE 10%) SELECT *, sum(n ORDER BY b)
		FILTER (WHERE a) OVER (ORDER BY t), CASE WHEN a THEN 1.5 END, list_filter([1], lambda y: y > 1), a::DECIMAL(4, 1)
		FROM c JOIN (VALUES (1)) v(a) USING (a), range(3), (PIVOT lake.y ON k IN (1) USING sum(v)), (DESCRIBE lake.z)
		WHERE a BETWEEN 1 AND 2 AND EXISTS (SELECT 1 UNION SELECT 2) GROUP BY ROLLUP (a) ORDER BY 1 LIMIT 3`)
	statement := tree["statements"].([]any)[0]
	refused := func(what string) {
		t.Helper()
		var se *syntax.Error
		if _, err := syntax.NewDecoder().Decode(statement); !errors.As(err, &se) {
			t.Errorf("with %s: %v", what, err)
		}
	}
	if _, err := syntax.NewDecoder().Decode(statement); err != nil {
		t.Fatal(err)
	}
	opaque := []string{"id", "width", "scale", "extension_info", "type_info"}
	objects(statement, func(n map[string]any) {
		if _, info := n["extension_info"]; info {
			return // more about a type: of no matter as long as there is no expression
		}
		n["new"] = nil
		refused("another key of " + strings.Join(slices.Sorted(maps.Keys(n)), " "))
		delete(n, "new")
		for key, value := range n {
			if key == "value" || slices.Contains(opaque, key) {
				continue
			}
			delete(n, key)
			refused("no " + key)
			if text, ok := value.(string); ok && (key == "class" || key == "type" && n["class"] == nil) && isNode(n) {
				n[key] = text + "_NEW"
				refused("another " + key)
			}
			n[key] = value
		}
	})
	objects(statement, func(n map[string]any) {
		if info, ok := n["type_info"]; ok {
			n["type_info"] = map[string]any{"modifier": []any{map[string]any{"class": "SUBQUERY"}}}
			refused("an expression in a type")
			n["type_info"] = info
		}
	})
}
