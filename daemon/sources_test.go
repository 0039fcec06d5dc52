package daemon

import (
	"slices"
	"testing"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/ingest/format"
)

// TestFormatsOfAConfigurationAreKnown: the configuration and the code list the
// same formats.
func TestFormatsOfAConfigurationAreKnown(t *testing.T) {
	var names []string
	for _, f := range format.All() {
		names = append(names, f.Name())
	}
	want := []string{string(config.FormatAuto), string(config.FormatJSON), string(config.FormatNDJSON),
		string(config.FormatCSV),
		string(config.FormatSyslog), string(config.FormatCEF), string(config.FormatLEEF), string(config.FormatKV),
		string(config.FormatArrow), string(config.FormatParquet)}
	if !slices.Equal(names, want) {
		t.Errorf("formats %v, want %v", names, want)
	}
}
