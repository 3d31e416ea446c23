// Command clickhouse serves ClickHouse from the library that the npm package
// chdb brings, for the benchmarks: the whole engine with its tables, its HTTP and
// its native protocol, without an installation and without cgo.
//
// The library exports no server. It exports clickhouse-local's main, which knows
// SYSTEM START LISTEN; a query that sleeps keeps it alive until it is killed.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

func main() {
	library := flag.String("lib", "", "`path` of libchdb.so")
	dir := flag.String("dir", "", "`folder` of the data")
	http := flag.Int("http", 0, "`port` of the HTTP protocol")
	tcp := flag.Int("tcp", 0, "`port` of the native protocol")
	flag.Parse()
	if err := serve(*library, *dir, *http, *tcp); err != nil {
		fmt.Fprintln(os.Stderr, "clickhouse:", err)
		os.Exit(1)
	}
}

// serve returns only when ClickHouse could not start; the reason is then on
// standard error.
func serve(library, dir string, http, tcp int) error {
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return fmt.Errorf("loading %s: %w", library, err)
	}
	var local func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	purego.RegisterLibFunc(&local, handle, "query_stable_v2")
	args := []string{"clickhouse", "--path=" + dir, "--listen_host=127.0.0.1",
		fmt.Sprintf("--http_port=%d", http), fmt.Sprintf("--tcp_port=%d", tcp),
		"--query=CREATE DATABASE IF NOT EXISTS otel ENGINE=Atomic; " +
			"SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; " +
			"SELECT sleepEachRow(3) FROM numbers(100000) SETTINGS max_block_size=1, " +
			"function_sleep_max_microseconds_per_block=100000000 FORMAT Null"}
	argv := make([]*byte, 0, len(args)+1)
	var pinned runtime.Pinner
	defer pinned.Unpin()
	for _, arg := range args {
		text := unsafe.SliceData(append([]byte(arg), 0))
		pinned.Pin(text)
		argv = append(argv, text)
	}
	local(int32(len(args)), unsafe.Pointer(unsafe.SliceData(append(argv, nil))))
	return fmt.Errorf("ClickHouse ended")
}
