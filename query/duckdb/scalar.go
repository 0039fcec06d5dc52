package duckdb

/*
extern void lakewardOneName(void *info, void *rows, void *result);
extern void lakewardOneIP(void *info, void *rows, void *result);
extern void lakewardGiven(void *info, void *rows, void *result);
extern void lakewardSaid(void *info, void *rows, void *result);
extern void lakewardIPIn(void *info, void *rows, void *result);
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"

	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/lakeward/lakeward/internal/spelling"
	"github.com/lakeward/lakeward/query/duckdb/syntax"
)

// The engine has functions of ours, which every session may use. They compute
// on their arguments alone, fail for no value, and run in the worker as all SQL
// does. Where all rows of a vector stay as they are, as most do, the result is
// the argument itself.

// ourFunction is a function of texts.
type ourFunction struct {
	name     string
	args     int
	returns  duck.Type
	callback unsafe.Pointer
}

func ourFunctions() []ourFunction {
	return []ourFunction{
		{"one_name", 1, duck.TypeVarchar, C.lakewardOneName},
		{"one_ip", 1, duck.TypeVarchar, C.lakewardOneIP},
		{"given", 1, duck.TypeVarchar, C.lakewardGiven},
		{"said", 1, duck.TypeVarchar, C.lakewardSaid},
		{"ip_in", 2, duck.TypeBoolean, C.lakewardIPIn},
	}
}

// register adds our functions to an instance.
func register(c duck.Connection) error {
	text := duck.CreateLogicalType(duck.TypeVarchar)
	defer duck.DestroyLogicalType(&text)
	for _, f := range ourFunctions() {
		if err := registerOne(c, f, text); err != nil {
			return err
		}
	}
	return nil
}

func registerOne(c duck.Connection, f ourFunction, text duck.LogicalType) error {
	fn := duck.CreateScalarFunction()
	defer duck.DestroyScalarFunction(&fn)
	returns := duck.CreateLogicalType(f.returns)
	defer duck.DestroyLogicalType(&returns)
	duck.ScalarFunctionSetName(fn, f.name)
	for range f.args {
		duck.ScalarFunctionAddParameter(fn, text)
	}
	duck.ScalarFunctionSetReturnType(fn, returns)
	duck.ScalarFunctionSetFunction(fn, f.callback)
	if duck.RegisterScalarFunction(c, fn) == duck.StateError {
		return fmt.Errorf("register the function %s with DuckDB", f.name)
	}
	return nil
}

// textVector is a flat vector of texts.
type textVector struct {
	texts []stringT
	valid []uint64 // a bit a row; nil: all are
}

func newTextVector(v duck.Vector, n int) textVector {
	t := textVector{texts: unsafe.Slice((*stringT)(duck.VectorGetData(v)), n)}
	if p := duck.VectorGetValidity(v); p != nil {
		t.valid = unsafe.Slice((*uint64)(p), (n+63)/64)
	}
	return t
}

// at is the text of a row, which lives as long as the call; false for null.
func (t *textVector) at(i int) (string, bool) {
	if t.valid != nil && t.valid[i/64]&(1<<(i%64)) == 0 {
		return "", false
	}
	b := t.texts[i].bytes()
	return unsafe.String(unsafe.SliceData(b), len(b)), true
}

// nulls marks rows of a result as null.
type nulls struct {
	of   duck.Vector
	bits []uint64
	rows int
}

func (n *nulls) set(i int) {
	if n.bits == nil {
		duck.VectorEnsureValidityWritable(n.of)
		n.bits = unsafe.Slice((*uint64)(duck.VectorGetValidity(n.of)), (n.rows+63)/64)
	}
	n.bits[i/64] &^= 1 << (i % 64)
}

// answered turns a panic into the statement's error: one that leaves a call of
// the engine's ends the process.
func answered(info unsafe.Pointer, f func()) {
	defer func() {
		if p := recover(); p != nil {
			duck.ScalarFunctionSetError(duck.FunctionInfo{Ptr: info}, fmt.Sprint("a function of Lakeward's panicked: ", p))
		}
	}()
	f()
}

// respell answers with each text in another spelling; null if it has none.
func respell(info, rows, result unsafe.Pointer, spell func(string) (string, bool)) {
	answered(info, func() {
		chunk, out := duck.DataChunk{Ptr: rows}, duck.Vector{Ptr: result}
		n := int(duck.DataChunkGetSize(chunk))
		arg := duck.DataChunkGetVector(chunk, 0)
		in := newTextVector(arg, n)
		same := 0
		for ; same < n; same++ {
			text, ok := in.at(same)
			if !ok {
				continue
			}
			if to, ok := spell(text); !ok || to != text {
				break
			}
		}
		if same == n {
			duck.VectorReferenceVector(out, arg)
			return
		}
		none := nulls{of: out, rows: n}
		for i := range n {
			text, ok := in.at(i)
			if ok && i >= same {
				text, ok = spell(text)
			}
			if ok {
				duck.VectorAssignStringElement(out, duck.IdxT(i), text)
			} else {
				none.set(i)
			}
		}
	})
}

func as(is func(string) bool) func(string) (string, bool) {
	return func(text string) (string, bool) { return text, is(text) }
}

//export lakewardOneName
func lakewardOneName(info, rows, result unsafe.Pointer) { respell(info, rows, result, spelling.Name) }

//export lakewardOneIP
func lakewardOneIP(info, rows, result unsafe.Pointer) { respell(info, rows, result, spelling.Address) }

//export lakewardGiven
func lakewardGiven(info, rows, result unsafe.Pointer) {
	respell(info, rows, result, as(spelling.Given))
}

//export lakewardSaid
func lakewardSaid(info, rows, result unsafe.Pointer) { respell(info, rows, result, as(spelling.Said)) }

//export lakewardIPIn
func lakewardIPIn(info, rows, result unsafe.Pointer) {
	answered(info, func() {
		chunk, out := duck.DataChunk{Ptr: rows}, duck.Vector{Ptr: result}
		n := int(duck.DataChunkGetSize(chunk))
		addresses := newTextVector(duck.DataChunkGetVector(chunk, 0), n)
		networks := newTextVector(duck.DataChunkGetVector(chunk, 1), n)
		answers := unsafe.Slice((*bool)(duck.VectorGetData(out)), n)
		none := nulls{of: out, rows: n}
		var last string
		network, err := spelling.ParseNetwork(last)
		for i := range n {
			address, ok := addresses.at(i)
			of, given := networks.at(i)
			if of != last {
				last = of
				network, err = spelling.ParseNetwork(of)
			}
			if ok && given && err == nil {
				answers[i], ok = network.Has(address)
			}
			if !ok || !given || err != nil {
				none.set(i)
			}
		}
	})
}

// wrongNetwork says of a call of ip_in that its network, if it is written out,
// is none: for every row the answer would be null.
func wrongNetwork(call *syntax.Function) error {
	if !strings.EqualFold(call.Name, "ip_in") || len(call.Args) != 2 {
		return nil
	}
	network, ok := call.Args[1].(*syntax.Constant)
	if !ok {
		return nil
	}
	text, ok := network.Value.Value.(string)
	if !ok {
		return nil
	}
	_, err := spelling.ParseNetwork(text)
	return err
}
