package collector

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ReleaseStartPages gives the pages of the program's file back that only its
// start needed: the initialisation of some two thousand packages touches most
// of a file of which an idle collector uses a tenth, and maps the neighbours of
// each page, too. What is used again is mapped again, from the page cache.
func ReleaseStartPages() error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program's file: %w", err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("reading the memory map: %w", err)
	}
	for _, m := range mappings(string(smaps)) {
		// Pages that were written cannot be had from the file again: those of
		// data, and those that a dynamic linker has relocated and then protected.
		if m.file != executable || m.writable || m.written {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("releasing pages: %w", errno)
		}
	}
	return nil
}

// mapping is a part of the address space.
type mapping struct {
	from, to uintptr
	file     string
	writable bool
	written  bool // has pages that differ from the file's
}

// mappings reads an smaps file (proc(5)): a head for each part of the address
// space, and lines about it.
func mappings(smaps string) []mapping {
	var all []mapping
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		var m mapping
		// 00400000-0407c000 r-xp 00000000 fe:00 11354712    /usr/bin/signalbox
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &m.from, &m.to); err == nil && len(fields) >= 5 {
			m.writable = strings.Contains(fields[1], "w")
			if len(fields) == 6 {
				m.file = fields[5]
			}
			all = append(all, m)
			continue
		}
		// Anonymous:             0 kB
		if len(all) > 0 && fields[0] == "Anonymous:" {
			all[len(all)-1].written = fields[1] != "0"
		}
	}
	return all
}
