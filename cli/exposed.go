package cli

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/internal/safefile"
)

// warnExposed says which files with secrets, and whether the data directory, other
// users of this machine can read.
func warnExposed(cfg config.Config, configPath string, env []string, log *slog.Logger) {
	for _, f := range secretFiles(cfg, configPath, env) {
		if safefile.Exposed(f) {
			log.Warn("every user of this machine can read a file with a secret; run chmod o-rwx on it", "file", f)
		}
	}
	if safefile.Exposed(cfg.DataDir) {
		log.Warn("every user of this machine can read the data directory; run chmod o-rwx on it", "directory", cfg.DataDir)
	}
}

// secretFiles are the files of a configuration that hold a secret.
func secretFiles(cfg config.Config, configPath string, env []string) []string {
	files := []string{cfg.HTTP.TLS.Key, cfg.NATS.Embedded.TLS.Key, cfg.NATS.TLS.Key, cfg.NATS.Creds, cfg.NATS.NKey}
	inline := cfg.NATS.Password != "" || cfg.NATS.Token != ""
	for _, t := range cfg.HTTP.Tokens {
		files = append(files, t.File)
		inline = inline || t.Token != ""
	}
	for _, u := range cfg.NATS.Embedded.Users {
		inline = inline || u.Password != ""
	}
	for _, url := range []string{cfg.Lake.Catalog, cfg.Analytics.URL} {
		inline = inline || strings.Contains(url, "://") && strings.Contains(url, "@")
	}
	if inline {
		files = append(files, configPath)
	}
	for _, kv := range env {
		if name, file, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, "LAKEWARD_") &&
			strings.HasSuffix(name, "_FILE") {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	return slices.DeleteFunc(slices.Compact(files), func(f string) bool { return f == "" })
}
