package compile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// counting answers each text in its own way, and counts the questions.
type counting struct{ asked []string }

func (c *counting) Confine(expr string, columns []string) error {
	c.asked = append(c.asked, fmt.Sprint("confine ", expr, columns))
	if expr == "bad" {
		return errors.New("not allowed")
	}
	return nil
}
func (c *counting) ConfineSelect(sql string, inputs []string) error {
	c.asked = append(c.asked, fmt.Sprint("select ", sql, inputs))
	return nil
}
func (c *counting) Lenient(expr string) (string, []string, error) {
	c.asked = append(c.asked, "lenient "+expr)
	return "l(" + expr + ")", []string{expr}, nil
}
func (c *counting) LenientSelect(sql string) (string, []string, error) {
	c.asked = append(c.asked, "lenient select "+sql)
	return "ls(" + sql + ")", nil, nil
}

func TestATextIsAskedForOnce(t *testing.T) {
	of := &counting{}
	m := Remember(of)
	for range 3 {
		for _, err := range []error{m.Confine("a", nil), m.Confine("a", []string{}), m.Confine("a", []string{"y", "x"}),
			m.Confine("a", []string{"x", "y"}), m.ConfineSelect("a", []string{"t"})} {
			if err != nil {
				t.Error(err)
			}
		}
		if got, misfits, err := m.Lenient("a"); err != nil || got != "l(a)" || !slices.Equal(misfits, []string{"a"}) {
			t.Error(got, misfits, err)
		}
		if got, _, err := m.LenientSelect("a"); err != nil || got != "ls(a)" {
			t.Error(got, err)
		}
	}
	if len(of.asked) != 6 {
		t.Errorf("asked %q", of.asked)
	}
	of.asked = nil
	for range 2 {
		if m.Confine("bad", nil) == nil {
			t.Error("a refusal is forgotten")
		}
	}
	if len(of.asked) != 2 {
		t.Errorf("asked %q", of.asked)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	of := &counting{}
	m := Remember(of).(*memory)
	for i := range 100 {
		if _, _, err := m.Lenient(fmt.Sprint(i, strings.Repeat("x", rememberedBytes/8))); err != nil {
			t.Fatal(err)
		}
		if _, _, err := m.Lenient("often"); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.young)+len(m.old) > 16 || len(of.asked) != 101 {
		t.Errorf("%d answers are remembered, %d questions were asked", len(m.young)+len(m.old), len(of.asked))
	}
}
