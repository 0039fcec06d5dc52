package compile

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
)

// rememberedBytes bounds half of what is remembered: texts, with their answers.
const rememberedBytes = 8 << 20

// Remember is a confiner that asks c about each text once, and then knows the
// answer as long as not too many others came since. Expressions are mostly the
// same in many pipelines, and in each version of one. Refusals are asked for
// again. It is safe for concurrent use.
func Remember(c Confiner) Confiner {
	return &memory{of: c, young: map[[sha256.Size]byte]answer{}}
}

type memory struct {
	of Confiner

	mu         sync.Mutex
	young, old map[[sha256.Size]byte]answer // when young is full, it becomes old
	bytes      int                          // of young
}

// answer is what a text is in lenient form, if that was asked for.
type answer struct {
	text  string
	parts []string
}

const entryBytes = 128 // of an answer, beside its texts

func (m *memory) ask(question []string, of func() (answer, error)) (answer, error) {
	key := sha256.Sum256([]byte(strings.Join(question, "\x00")))
	m.mu.Lock()
	a, ok := m.young[key]
	if !ok {
		if a, ok = m.old[key]; ok {
			m.keep(key, a)
		}
	}
	m.mu.Unlock()
	if ok {
		return a, nil
	}
	a, err := of()
	if err != nil {
		return a, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(key, a)
	return a, nil
}

func (m *memory) keep(key [sha256.Size]byte, a answer) {
	size := entryBytes + len(a.text)
	for _, p := range a.parts {
		size += len(p)
	}
	if m.bytes += size; m.bytes > rememberedBytes {
		m.old, m.young, m.bytes = m.young, map[[sha256.Size]byte]answer{}, size
	}
	m.young[key] = a
}

// Confine implements Confiner.
func (m *memory) Confine(expr string, columns []string) error {
	question := []string{"expression", expr}
	if columns != nil {
		question = append(append(question, "of"), slices.Sorted(slices.Values(columns))...)
	}
	_, err := m.ask(question, func() (answer, error) { return answer{}, m.of.Confine(expr, columns) })
	return err
}

// ConfineSelect implements Confiner.
func (m *memory) ConfineSelect(sql string, inputs []string) error {
	question := append([]string{"select", sql}, slices.Sorted(slices.Values(inputs))...)
	if inputs == nil {
		question[0] = "any select"
	}
	_, err := m.ask(question, func() (answer, error) { return answer{}, m.of.ConfineSelect(sql, inputs) })
	return err
}

// Lenient implements Confiner.
func (m *memory) Lenient(expr string) (string, []string, error) {
	a, err := m.ask([]string{"lenient", expr}, func() (a answer, err error) {
		a.text, a.parts, err = m.of.Lenient(expr)
		return a, err
	})
	return a.text, a.parts, err
}

// LenientSelect implements Confiner.
func (m *memory) LenientSelect(sql string) (string, []string, error) {
	a, err := m.ask([]string{"lenient select", sql}, func() (a answer, err error) {
		a.text, a.parts, err = m.of.LenientSelect(sql)
		return a, err
	})
	return a.text, a.parts, err
}
