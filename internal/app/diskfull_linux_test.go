package app

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// smallDisk mounts a file system of its own, or skips the test.
func smallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(megabytes)+"m"); err != nil {
		t.Skipf("a file system of its own needs the right to mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return dir
}

func freeBytes(t *testing.T, dir string) int64 {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * st.Bsize
}

// fill takes all but left bytes of a disk; the function gives them back.
func fill(t *testing.T, dir string, left int64) (empty func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err == nil {
		err = syscall.Fallocate(int(f.Fd()), 0, 0, freeBytes(t, dir)-left)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func gaugeRequest(t *testing.T, value float64) []byte {
	t.Helper()
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("level")
	p := m.SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	p.SetDoubleValue(value)
	body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// On a disk that gets full, traces, logs and metrics are refused while there is
// still room to seal what was accepted, with an answer that makes senders try
// again; questions are answered; and when there is room all goes on without a
// restart. Nothing that was acknowledged is lost.
func TestDiskFullOnARealFileSystem(t *testing.T) {
	const reserve = 256 << 20
	disk := smallDisk(t, 420)
	s := newStoring(t, filepath.Join(disk, "data"))
	s.start()
	sent := map[string]int{}
	send := func(signal string) (int, http.Header) {
		t.Helper()
		var body []byte
		var err error
		switch n := sent[signal]; signal {
		case "traces":
			body, err = ptraceotlp.NewExportRequestFromTraces(killSpans("http-traces", n, 20)).MarshalProto()
		case "logs":
			body, err = plogotlp.NewExportRequestFromLogs(killLogs("http-logs", n, 20)).MarshalProto()
		default:
			body = gaugeRequest(t, float64(n))
		}
		if err != nil {
			t.Fatal(err)
		}
		code, header, err := s.post(t.Context(), signal, body)
		if err != nil {
			t.Fatal(err)
		}
		if code == http.StatusOK {
			sent[signal] += 20
		}
		return code, header
	}
	signals := []string{"traces", "logs", "metrics"}
	expect := func(when string, want int) {
		t.Helper()
		for _, signal := range signals {
			code, header := send(signal)
			if code != want {
				t.Errorf("%s: %s: got status %d; want %d", when, signal, code, want)
			}
			if after := header.Get("Retry-After"); want != http.StatusOK && after == "" {
				t.Errorf("%s: %s: the sender is not told when to try again", when, signal)
			}
		}
	}
	answers := func(when string) {
		t.Helper()
		checkKept(t, s, &killSender{name: "http-traces", next: sent["traces"]})
		checkKept(t, s, &killSender{name: "http-logs", next: sent["logs"]})
		var a struct {
			Data struct{ Result []struct{ Value [2]any } }
		}
		s.ask("/api/v1/query", url.Values{"query": {"level"}}, &a)
		if len(a.Data.Result) != 1 {
			t.Errorf("%s: got metrics %+v; want one", when, a)
		}
	}
	expect("with room", http.StatusOK)
	answers("with room")
	empty := fill(t, disk, reserve+2<<20)
	random, noise := rand.NewChaCha8([32]byte{}), make([]byte, 200<<10)
	for tries := 0; ; tries++ { // until the rest above the reserve is used
		ld := killLogs("ballast", tries, 1)
		_, _ = random.Read(noise) // never an error
		ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetEmptyBytes().FromRaw(noise)
		body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		code, _, err := s.post(t.Context(), "logs", body)
		if err != nil {
			t.Fatal(err)
		}
		if code != http.StatusOK {
			break
		}
		if tries > 1000 {
			t.Fatal("the disk does not get full")
		}
	}
	if free := freeBytes(t, disk); free < reserve-40<<20 {
		t.Errorf("refused with %d MiB free; want about the reserve of 256 MiB", free>>20)
	}
	waitRoom(t.Context()) // the metrics' look at the disk is that old at most
	expect("below the reserve", http.StatusServiceUnavailable)
	answers("below the reserve")
	empty()
	empty = fill(t, disk, 0)
	expect("with nothing left", http.StatusServiceUnavailable)
	answers("with nothing left")
	empty()
	waitRoom(t.Context())
	expect("with room again", http.StatusOK)
	answers("with room again")
	s.kill()
	s.start()
	answers("after a kill")
}

// waitRoom waits until the metrics database looks at the disk again.
func waitRoom(ctx context.Context) {
	select {
	case <-time.After(1100 * time.Millisecond):
	case <-ctx.Done():
	}
}
