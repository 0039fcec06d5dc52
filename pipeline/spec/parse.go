package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/detect"
)

// Language reads pipelines. Who reads many makes it once. It is immutable.
type Language struct{ pipeline strict.Type[Pipeline] }

// NewLanguage returns the language of pipelines.
func NewLanguage() Language { return Language{pipelineType()} }

// Parse is Language.Parse.
func Parse(file string, data []byte) (*Pipeline, []Problem) { return NewLanguage().Parse(file, data) }

// Parse reads one pipeline. It reports every mistake, in the order of their
// positions; with any the pipeline is nil. It opens nothing and reads no clock.
func (g Language) Parse(file string, data []byte) (*Pipeline, []Problem) {
	doc, ps := strict.Parse(file, data)
	if len(ps) > 0 {
		return nil, ps
	}
	p, ps := strict.Decode(doc, g.pipeline)
	p.File = file
	p.complete()
	l := linter{p: &p, root: Pos{File: file, Line: 1, Column: 1}, problems: ps}
	l.lint()
	if len(l.problems) > 0 {
		l.problems.Sort()
		return nil, l.problems
	}
	return &p, nil
}

// testFile is a *_test.yaml file.
type testFile struct{ Cases []Case }

func testFileType() strict.Type[testFile] {
	return strict.Object(
		strict.F("cases", strict.List(caseType()), func(f *testFile) *[]Case { return &f.Cases }, "The cases.").Needed(),
	)
}

// ParseTests reads a *_test.yaml file for the pipeline p.
func ParseTests(file string, data []byte, p *Pipeline) ([]Case, []Problem) {
	doc, ps := strict.Parse(file, data)
	if len(ps) > 0 {
		return nil, ps
	}
	f, ps := strict.Decode(doc, testFileType())
	l := linter{p: p, root: Pos{File: file, Line: 1, Column: 1}, problems: ps}
	l.cases(f.Cases)
	if len(l.problems) > 0 {
		l.problems.Sort()
		return nil, l.problems
	}
	return f.Cases, nil
}

// Schema is the JSON Schema (draft 7) of a pipeline file, for editors.
func Schema() ([]byte, error) {
	s := pipelineType().Schema()
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["title"] = "Lakeward pipeline"
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JSON Schema: %w", err)
	}
	return append(out, '\n'), nil
}

// Doc documents the language, for the generated reference.
func Doc() strict.Doc { return pipelineType().Doc() }

// TestDoc documents test files.
func TestDoc() strict.Doc { return testFileType().Doc() }

// Hash identifies what the pipeline computes: 16 hexadecimal digits over its
// canonical form with every default filled in. Layout, comments, description,
// tests and whether it is enabled do not change it.
func (p *Pipeline) Hash() string { return NewLanguage().Hash(p) }

// Hash is that of the pipeline.
func (g Language) Hash(p *Pipeline) string {
	c := *p
	c.Description, c.Tests, c.Enabled = "", nil, true
	out, err := strict.Encode(g.pipeline, c)
	if err != nil { // a parsed pipeline always encodes
		out = fmt.Appendf(nil, "%#v", c)
	}
	sum := sha256.Sum256(out)
	return hex.EncodeToString(sum[:8])
}

// Encode renders the pipeline as YAML with every default filled in.
func (p *Pipeline) Encode() ([]byte, error) { return strict.Encode(pipelineType(), *p) }

// Step returns the step of that name.
func (p *Pipeline) Step(name string) (Step, bool) {
	for _, s := range p.Steps {
		if s.Name.Value == name {
			return s, true
		}
	}
	return Step{}, false
}

// Table is a table that a pipeline reads.
type Table struct {
	Name    string // lake.x or analytics.x
	Pos     Pos    // of its first mention
	Context bool   // it only adds to what other tables say, and need not exist
}

// Tables lists the tables that the pipeline reads, in the order of their first
// mention.
func (p *Pipeline) Tables() []Table {
	var out []Table
	add := func(t Text, context bool) {
		if !isTable(t.Value) {
			return
		}
		i := slices.IndexFunc(out, func(have Table) bool { return have.Name == t.Value })
		if i < 0 {
			out = append(out, Table{t.Value, t.Pos, context})
			return
		}
		out[i].Context = out[i].Context && context
	}
	for _, s := range p.Steps {
		switch s.Kind {
		case KindRead:
			add(s.Read.Table, false)
			for _, j := range s.Read.Join {
				add(j.Table, false)
			}
		case KindAnomaly:
			if d, ok := s.Anomaly.Detector.(detect.RowDetector); ok {
				for _, t := range d.Context() {
					add(t, true)
				}
			}
		case KindRisk:
			if s.Risk.Criticality != nil {
				add(s.Risk.Criticality.Table, true)
			}
		}
	}
	return out
}
