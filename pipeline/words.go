package pipeline

import "github.com/lakeward/lakeward/pipeline/sqltext"

// StepError is a statement of a step that the engine refused. It says why in a
// sentence; what it wraps has the engine's own words.
type StepError struct {
	Step         string
	What, Remedy string
	Err          error
}

// Error is the sentence.
func (e *StepError) Error() string {
	text := "step " + e.Step + ": " + e.What
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

// Unwrap is the engine's error.
func (e *StepError) Unwrap() error { return e.Err }

func stepError(step string, err error) error {
	what, remedy := sqltext.Plainly(err.Error())
	return &StepError{step, what, remedy, err}
}
