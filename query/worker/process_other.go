//go:build !linux

package worker

import (
	"errors"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// run starts the process and waits for its end.
func (p *Process) run(started chan<- error) {
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.note(p.cmd.Wait())
	}
}

// dieWithParent: the socket's end is what ends the process.
func dieWithParent() error { return nil }

func ownMemory(int) (int64, error) { return 0, errors.New("the system does not say") }

// limit: only the engine's own limit holds.
func (p *Process) limit() {}

func (p *Process) sacrifice() {}
