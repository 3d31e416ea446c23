package app

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// peakMemory is the most memory that a process had so far, in MiB.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	kb := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if kb == nil {
		t.Fatalf("no peak in %s", status)
	}
	n, err := strconv.Atoi(string(kb[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n >> 10
}

// field is one field of a protobuf message.
func field(number int, content []byte) []byte {
	b := binary.AppendUvarint(nil, uint64(number<<3|2))
	return append(binary.AppendUvarint(b, uint64(len(content))), content...)
}

// hostileRequest makes the body of a request.
type hostileRequest struct {
	name string
	make func() []byte
}

// hostileRequests are requests for traces that cost a careless receiver much
// more memory than they have bytes. Each call makes other bytes.
func hostileRequests(random *rand.Rand) []hostileRequest {
	const size = 16 << 20 // the receiver takes 32 MiB
	spans := func(each func(i int) []byte, n int) []byte {
		var all []byte
		for i := 0; i < n && len(all) < size; i++ {
			all = append(all, field(2, each(i))...)
		}
		return field(1, field(2, all))
	}
	attr := func(key, value string) []byte {
		return field(9, append(field(1, []byte(key)), field(2, field(1, []byte(value)))...))
	}
	many := func(n int, each func(i int) []byte) []byte {
		var all []byte
		for i := 0; i < n && len(all) < size; i++ {
			all = append(all, each(i)...)
		}
		return all
	}
	deep := func() []byte {
		v := field(1, []byte(strconv.Itoa(random.Int())))
		for range 8_000 {
			v = field(5, field(1, v)) // an array in an array
			if len(v) > 1<<20 {
				break
			}
		}
		return v
	}
	return []hostileRequest{
		{"empty spans", func() []byte { return spans(func(int) []byte { return nil }, 8<<20) }},
		{"empty scopes", func() []byte { return field(1, bytes.Repeat([]byte{2<<3 | 2, 0}, size/2)) }},
		{"empty resources", func() []byte { return bytes.Repeat([]byte{1<<3 | 2, 0}, size/2) }},
		{"names of 1 MB", func() []byte { return spans(func(int) []byte { return field(5, noise(random, 1<<20)) }, 20) }},
		{"a value of 20 MB", func() []byte { return spans(func(int) []byte { return attr("k", string(noise(random, 20<<20))) }, 1) }},
		{"keys without end", func() []byte {
			return spans(func(int) []byte { return many(200, func(int) []byte { return attr(fmt.Sprint(random.Uint64()), "v") }) }, 2000)
		}},
		{"services without end", func() []byte {
			return many(100_000, func(int) []byte {
				resource := field(1, field(1, append(field(1, []byte("service.name")), field(2, field(1, fmt.Append(nil, random.Uint64())))...)))
				return field(1, append(resource, field(2, field(2, field(5, []byte("op"))))...))
			})
		}},
		{"operations without end", func() []byte {
			return spans(func(int) []byte { return field(5, fmt.Append(nil, random.Uint64())) }, 300_000)
		}},
		{"events without end", func() []byte { return spans(func(int) []byte { return bytes.Repeat(field(11, nil), 1<<20) }, 10) }},
		{"nesting without end", func() []byte {
			return spans(func(int) []byte { return field(9, append(field(1, []byte("k")), field(2, deep())...)) }, 1)
		}},
	}
}

// noise is printable text that does not compress much.
func noise(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('!' + random.IntN(90))
	}
	return b
}

// maxHostileMB is what the process of the test may take at most, with 1 GiB as
// Go's own limit: that one is exceeded for moments, while requests are decoded
// and questions answered at the same time.
const maxHostileMB = 1536

// Whatever is sent, the process refuses it or keeps it within its memory, goes on,
// and takes what honest senders send. SIGNALBOX_TEST_HOSTILE is how often each
// request is sent by each of two senders.
func TestMemoryIsBoundedWhateverIsSent(t *testing.T) {
	s := newStoring(t, t.TempDir())
	s.env = []string{"GOMEMLIMIT=1GiB"} // as in a container of 1.1 GiB
	s.start()
	rounds := number(t, "SIGNALBOX_TEST_HOSTILE", 1)
	for n, request := range hostileRequests(nil) {
		var senders sync.WaitGroup
		var mu sync.Mutex
		codes := map[int]int{}
		for i := range 2 {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			senders.Go(func() {
				for range rounds {
					code, _, err := s.post(t.Context(), "traces", hostileRequests(random)[n].make())
					if err != nil {
						t.Errorf("%s: %v", request.name, err)
						return
					}
					mu.Lock()
					codes[code]++
					mu.Unlock()
				}
			})
		}
		senders.Wait()
		t.Logf("%-22s answers %v, peak %d MiB", request.name, codes, peakMemory(t, s.cmd.Process.Pid))
	}
	bombs(t, s)
	honest(t, s)
	if peak := peakMemory(t, s.cmd.Process.Pid); peak > maxHostileMB {
		t.Errorf("the process had %d MiB; want at most %d", peak, maxHostileMB)
	}
}

// bombs sends what gets large when it is unpacked, and what is too large.
func bombs(t *testing.T, s *storing) {
	t.Helper()
	var packed bytes.Buffer
	gz := gzip.NewWriter(&packed)
	zeros := make([]byte, 1<<20)
	for range 1024 {
		_, _ = gz.Write(zeros) // into memory
	}
	gz.Close()
	for name, send := range map[string]func() (*http.Response, error){
		"1 GB packed": func() (*http.Response, error) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.inHTTP+"/v1/logs", bytes.NewReader(packed.Bytes()))
			if err != nil {
				return nil, err
			}
			req.Header.Set("Content-Type", "application/x-protobuf")
			req.Header.Set("Content-Encoding", "gzip")
			return http.DefaultClient.Do(req)
		},
		"100 MB": func() (*http.Response, error) {
			body := field(1, field(2, field(2, field(5, bytes.Repeat([]byte("x"), 100<<20)))))
			return http.Post("http://"+s.inHTTP+"/v1/traces", "application/x-protobuf", bytes.NewReader(body))
		},
	} {
		resp, err := send()
		if err != nil {
			if !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") {
				t.Errorf("%s: %v", name, err) // else: cut off while it was sent
			}
			continue
		}
		resp.Body.Close()
		if resp.StatusCode < 400 || resp.StatusCode >= 500 {
			t.Errorf("%s: got %s; want it refused for good", name, resp.Status)
		}
	}
}

// honest sends a span and a log record as often as it is told to, and finds them.
func honest(t *testing.T, s *storing) {
	t.Helper()
	traces, err := ptraceotlp.NewExportRequestFromTraces(killSpans("http-traces", 0, 1)).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	logs, err := plogotlp.NewExportRequestFromLogs(killLogs("http-logs", 0, 1)).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	for signal, body := range map[string][]byte{"traces": traces, "logs": logs} {
		for {
			code, _, err := s.post(t.Context(), signal, body)
			if err != nil {
				t.Fatalf("an honest sender: %v", err)
			}
			if code == http.StatusOK {
				break
			}
			if code != http.StatusServiceUnavailable && code != http.StatusTooManyRequests {
				t.Fatalf("an honest sender: got status %d", code)
			}
			<-time.After(100 * time.Millisecond)
		}
	}
	checkKept(t, s, &killSender{name: "http-traces", next: 1})
	checkKept(t, s, &killSender{name: "http-logs", next: 1})
	for _, path := range []string{"services", "facets", "fields", "spans", "traces"} {
		var a any
		s.ask("/api/signalbox/v1/"+path, url.Values{}, &a)
	}
}
