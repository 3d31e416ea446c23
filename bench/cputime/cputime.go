// Package cputime reads what processes have used of the processor, for the
// benchmarks: the kernel counts it, so that it is the process's own and not what
// measuring costs. It knows Linux only.
package cputime

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Of returns the user and system time that a running process has used, in
// steps of 10 ms (proc(5), /proc/pid/stat). It is an error where there is no
// such file.
func Of(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name of the program, in parentheses, may hold blanks.
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading the processor time of process %d: %q is too short", pid, raw)
	}
	const ticksPerSecond = 100 // USER_HZ, the same on every Linux
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the processor time of process %d: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}
