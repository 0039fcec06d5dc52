package worker

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// What a channel is asked to do.
const (
	opEngine  = "engine"  // open an engine, which lasts as long as the channel
	opSession = "session" // open a session, likewise
	opConn    = "conn"    // open a connection without a view, likewise
	opQuery   = "query"
	opExec    = "exec"
	opLoad    = "load" // rows follow
	opClose   = "close"
	opUsage   = "usage"
	opTrim    = "trim"
	opConfine = "confine"
	opSelect  = "select"  // confine a SELECT
	opLenient = "lenient" // form of an expression
	opWhole   = "lenient select"
)

// request is what the daemon asks a worker to do. A channel carries one at a time.
type request struct {
	Number uint64 `json:"n"` // from 1, of the channel
	Op     string `json:"op"`

	Engine  int64          `json:"engine,omitempty"` // by its number in the worker
	Options *EngineOptions `json:"options,omitempty"`
	View    *view          `json:"view,omitempty"`
	SQL     string         `json:"sql,omitempty"` // or an expression
	Args    []arg          `json:"args,omitempty"`
	Names   []string       `json:"names,omitempty"` // columns, inputs
	Any     bool           `json:"any,omitempty"`   // Names is nil
	Table   string         `json:"table,omitempty"`
	Schema  []byte         `json:"schema,omitempty"` // of the rows that follow
}

// view is a query.View without files: the worker asks for those of a table when
// the table is first read.
type view struct {
	Versions  bool          `json:"versions,omitempty"` // statements may say AT
	Tables    []string      `json:"tables,omitempty"`
	Analytics []want        `json:"analytics,omitempty"`
	Trusted   bool          `json:"trusted,omitempty"`
	MaxRows   int64         `json:"max_rows,omitempty"`
	MaxBytes  int64         `json:"max_bytes,omitempty"`
	Timeout   time.Duration `json:"timeout,omitempty"`
}

// reply ends a request, or a stream of rows.
type reply struct {
	Of      uint64       `json:"of,omitempty"`      // the request's number
	Number  int64        `json:"n,omitempty"`       // of rows, or of an engine
	Columns []wireColumn `json:"columns,omitempty"` // of the rows that a worker sends
	Schema  []byte       `json:"schema,omitempty"`  // of the rows that the daemon sends
	// of tables that a query names, of misfits, or of the table that follows
	Names []string   `json:"names,omitempty"`
	SQL   string     `json:"sql,omitempty"`
	Spill int64      `json:"spill,omitempty"`
	Error *wireError `json:"error,omitempty"`
}

// question is what a worker asks the daemon while it serves a request.
type question struct {
	Table string         `json:"table,omitempty"` // of the lake: its schema and files
	At    *query.Version `json:"at,omitempty"`    // nil: as the view has it
	Read  []want         `json:"read,omitempty"`  // of the remote tier
}

// answer answers a question about a table of the lake; its files follow the
// JSON and a line end.
type answer struct {
	Schema   tiers.Schema `json:"schema"`
	Snapshot int64        `json:"snapshot,omitempty"`
	Error    *wireError   `json:"error,omitempty"`
}

// want is a query.Want.
type want struct {
	Table   string       `json:"table"`
	All     bool         `json:"all,omitempty"` // columns
	Columns []string     `json:"columns,omitempty"`
	Times   []query.Span `json:"times,omitempty"`
	Where   []condition  `json:"where,omitempty"`
}

type condition struct {
	Column string `json:"column"`
	Op     string `json:"op"`
	Value  arg    `json:"value"`
}

func wantsOf(in []query.Want) ([]want, error) {
	out := make([]want, len(in))
	for i, w := range in {
		out[i] = want{Table: w.Table, All: w.Columns == nil, Columns: w.Columns, Times: w.Times}
		for _, c := range w.Where {
			v, err := argOf(c.Value)
			if err != nil {
				return nil, err
			}
			out[i].Where = append(out[i].Where, condition{c.Column, c.Op, v})
		}
	}
	return out, nil
}

func (w want) value() (query.Want, error) {
	out := query.Want{Table: w.Table, Columns: w.Columns, Times: w.Times}
	if w.All {
		out.Columns = nil
	} else if out.Columns == nil {
		out.Columns = []string{}
	}
	for _, c := range w.Where {
		v, err := c.Value.value()
		if err != nil {
			return out, err
		}
		out.Where = append(out.Where, query.Condition{Column: c.Column, Op: c.Op, Value: v})
	}
	return out, nil
}

// arg is an argument of a statement, with its Go type.
type arg struct {
	Type string          `json:"t"`
	Text string          `json:"v,omitempty"`
	List json.RawMessage `json:"l,omitempty"`
}

func argsOf(values []any) ([]arg, error) {
	out := make([]arg, len(values))
	for i, v := range values {
		var err error
		if out[i], err = argOf(v); err != nil {
			return nil, fmt.Errorf("parameter %d: %w", i+1, err)
		}
	}
	return out, nil
}

func argOf(value any) (arg, error) {
	switch v := value.(type) {
	case nil:
		return arg{Type: "null"}, nil
	case bool:
		return arg{Type: "bool", Text: strconv.FormatBool(v)}, nil
	case int:
		return arg{Type: "int64", Text: strconv.Itoa(v)}, nil
	case int32:
		return arg{Type: "int32", Text: strconv.Itoa(int(v))}, nil
	case int64:
		return arg{Type: "int64", Text: strconv.FormatInt(v, 10)}, nil
	case uint64:
		return arg{Type: "uint64", Text: strconv.FormatUint(v, 10)}, nil
	case float64:
		return arg{Type: "float64", Text: strconv.FormatFloat(v, 'g', -1, 64)}, nil
	case string:
		return bytesArg("string", []byte(v)), nil
	case []byte:
		return bytesArg("bytes", v), nil
	case json.RawMessage:
		return bytesArg("json", v), nil
	case time.Time:
		return arg{Type: "time", Text: v.UTC().Format(time.RFC3339Nano)}, nil
	case time.Duration:
		return arg{Type: "duration", Text: strconv.FormatInt(int64(v), 10)}, nil
	case []string:
		return listArg("strings", toBytes(v))
	case []int64:
		return listArg("int64s", v)
	case []float64:
		texts := make([]string, len(v))
		for i, f := range v {
			texts[i] = strconv.FormatFloat(f, 'g', -1, 64)
		}
		return listArg("float64s", texts)
	}
	return arg{}, fmt.Errorf("no SQL value for Go type %T", value)
}

// bytesArg keeps bytes that are no UTF-8, too.
func bytesArg(typ string, b []byte) arg {
	return arg{Type: typ, Text: base64.StdEncoding.EncodeToString(b)}
}

func toBytes(in []string) [][]byte {
	out := make([][]byte, len(in))
	for i, s := range in {
		out[i] = []byte(s)
	}
	return out
}

func listArg(typ string, list any) (arg, error) {
	data, err := json.Marshal(list)
	return arg{Type: typ, List: data}, err
}

func valuesOf(args []arg) ([]any, error) {
	out := make([]any, len(args))
	for i, a := range args {
		var err error
		if out[i], err = a.value(); err != nil {
			return nil, fmt.Errorf("%w: parameter %d: %w", errFrame, i+1, err)
		}
	}
	return out, nil
}

func (a arg) value() (any, error) {
	switch a.Type {
	case "null":
		return nil, nil
	case "bool":
		return strconv.ParseBool(a.Text)
	case "int32":
		n, err := strconv.ParseInt(a.Text, 10, 32)
		return int32(n), err
	case "int64":
		return strconv.ParseInt(a.Text, 10, 64)
	case "uint64":
		return strconv.ParseUint(a.Text, 10, 64)
	case "float64":
		return strconv.ParseFloat(a.Text, 64)
	case "time":
		return time.Parse(time.RFC3339Nano, a.Text)
	case "duration":
		n, err := strconv.ParseInt(a.Text, 10, 64)
		return time.Duration(n), err
	case "string", "bytes", "json":
		return a.bytes()
	case "strings", "int64s", "float64s":
		return a.list()
	}
	return nil, fmt.Errorf("no type %q", a.Type)
}

func (a arg) bytes() (any, error) {
	b, err := base64.StdEncoding.DecodeString(a.Text)
	switch a.Type {
	case "string":
		return string(b), err
	case "json":
		return json.RawMessage(b), err
	}
	return b, err
}

func (a arg) list() (any, error) {
	switch a.Type {
	case "strings":
		var list [][]byte
		err := json.Unmarshal(a.List, &list)
		out := make([]string, len(list))
		for i, b := range list {
			out[i] = string(b)
		}
		return out, err
	case "int64s":
		out := []int64{}
		err := json.Unmarshal(a.List, &out)
		return out, err
	}
	var texts []string
	err := json.Unmarshal(a.List, &texts)
	out := make([]float64, len(texts))
	for i, t := range texts {
		if err == nil {
			out[i], err = strconv.ParseFloat(t, 64)
		}
	}
	return out, err
}
