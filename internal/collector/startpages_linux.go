package collector

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseStartPages gives the pages of the program's file back that only its
// start needed: the initialisation of some two thousand packages touches most
// of a file of which an idle collector uses a tenth, and maps the neighbours of
// each page, too. What is used again is mapped again, from the page cache.
func releaseStartPages() error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program's file: %w", err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("reading the memory map: %w", err)
	}
	for line := range strings.Lines(string(maps)) {
		// 00400000-0407c000 r-xp 00000000 fe:00 11354712    /usr/bin/signalbox
		fields := strings.Fields(line)
		if len(fields) != 6 || fields[5] != executable || strings.Contains(fields[1], "w") {
			continue // written pages would be lost
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err != nil {
			return fmt.Errorf("reading the memory map: %q: %w", line, err)
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("releasing pages: %w", errno)
		}
	}
	return nil
}
