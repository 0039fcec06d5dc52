package standby

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const within = 90 * time.Second // for anything to happen at all

// daemon is `lakeward serve` on a data directory of its own, with a network of
// its own.
type daemon struct {
	*testing.T
	name          string
	dir, bin      string
	http          string
	env           []string
	nats, catalog *proxy

	cmd    *exec.Cmd
	done   chan struct{} // closed when the process has ended
	err    error
	fenced uint64 // of the processes that have ended
}

// source is what the daemon says of its one source.
type source struct {
	State     string `json:"state"`
	Reason    string `json:"reason"`
	Holder    string `json:"committed_by"`
	Commits   uint64 `json:"commits"`
	Fenced    uint64 `json:"fenced"`
	Committed uint64 `json:"committed_seq"`
}

func (d *daemon) start() {
	d.Helper()
	log, err := os.OpenFile(filepath.Join(d.dir, "daemon.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		d.Fatal(err)
	}
	defer log.Close()
	d.cmd, d.done = exec.Command(d.bin, "serve"), make(chan struct{})
	d.cmd.Env, d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = d.env, d.dir, log, log
	if err := d.cmd.Start(); err != nil {
		d.Fatal(err)
	}
	cmd, done := d.cmd, d.done
	go func() { // ends with the process, which end waits for
		d.err = cmd.Wait()
		close(done)
	}()
}

func (d *daemon) signal(s syscall.Signal) {
	d.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.Fatalf("signal %s: %v", d.name, err)
	}
}

// end waits for the process to be gone.
func (d *daemon) end() {
	d.Helper()
	select {
	case <-d.done:
	case <-time.After(within):
		d.Fatalf("daemon %s still runs", d.name)
	}
}

func (d *daemon) get(path string) ([]byte, error) {
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Get("http://" + d.http + path)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", path, res.Status, body)
	}
	return body, err
}

func (d *daemon) source() (source, error) {
	body, err := d.get("/api/v1/status")
	if err != nil {
		return source{}, err
	}
	var st struct{ Sources []source }
	if err := json.Unmarshal(body, &st); err != nil || len(st.Sources) != 1 {
		return source{}, fmt.Errorf("status is %.500s: %w", body, err)
	}
	return st.Sources[0], nil
}

// until waits for the source to be so.
func (d *daemon) until(what string, cond func(source) bool) source {
	d.Helper()
	var s source
	var err error
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		if s, err = d.source(); err == nil && cond(s) {
			return s
		}
	}
	d.Fatalf("daemon %s does not come to %s: it is %+v, %v", d.name, what, s, err)
	return s
}

// standsBy waits until the daemon is ready and says who commits.
func (d *daemon) standsBy(holder string) {
	d.Helper()
	d.until("stand by", func(s source) bool { return s.State == "standby" && s.Holder == holder })
	body, err := d.get("/readyz")
	for deadline := time.Now().Add(within); (err != nil || !strings.Contains(string(body), holder+" commits")) && time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		body, err = d.get("/readyz")
	}
	if err != nil || !strings.Contains(string(body), holder+" commits") {
		d.Fatalf("daemon %s stands by, and /readyz says %q, %v; want %s", d.name, body, err, holder)
	}
}

// holder is the name that the daemon has in the lease.
func (d *daemon) holder() string {
	host, err := os.Hostname()
	if err != nil {
		d.Fatal(err)
	}
	return fmt.Sprintf("%s (pid %d)", host, d.cmd.Process.Pid)
}

// run runs a command on the daemon's data directory.
func (d *daemon) run(args ...string) (string, error) {
	cmd := exec.Command(d.bin, args...)
	cmd.Env, cmd.Dir = d.env, d.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
