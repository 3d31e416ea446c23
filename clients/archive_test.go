package clients

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// message is what a client sends at once: an HTTP request, a message of a gRPC
// stream (or call), or a datagram.
type message struct {
	// stream tells gRPC streams apart; an HTTP request or datagram is one of
	// its own. They are counted from 1 in the order in which they began.
	stream int
	port   string // the recorder's name of the port: otlp-http, statsd, ...
	target string // path or method; "-" for a datagram
	header http.Header
	body   []byte
}

// told are the headers of a request that change what it means, and the one that
// says which client it is.
var told = []string{"Content-Encoding", "Content-Type", "User-Agent", "X-Prometheus-Remote-Write-Version"}

// wantFile is the name of an archive's last file: what must come of the rest.
const wantFile = "want"

// formatArchive is the text of clients/recorded/*.txtar: each message as a file
// that begins, as HTTP does, with headers and an empty line. Its name is its
// stream, port and target, and "base64" when the body would not be a text.
func formatArchive(comment string, messages []message, want string) []byte {
	a := &txtar.Archive{Comment: []byte(comment)}
	for _, m := range messages {
		name := fmt.Sprintf("%d %s %s", m.stream, m.port, m.target)
		var b bytes.Buffer
		for _, h := range told {
			if v := m.header.Get(h); v != "" {
				fmt.Fprintf(&b, "%s: %s\n", h, v)
			}
		}
		b.WriteByte('\n')
		if isText(m.body) {
			b.Write(m.body)
			b.WriteByte('\n')
		} else {
			name += " base64"
			for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(m.body)), 100) {
				b.Write(line)
				b.WriteByte('\n')
			}
		}
		a.Files = append(a.Files, txtar.File{Name: name, Data: b.Bytes()})
	}
	a.Files = append(a.Files, txtar.File{Name: wantFile, Data: []byte(want)})
	return txtar.Format(a)
}

// isText reports whether a body is readable and comes back from an archive as it
// went in.
func isText(body []byte) bool {
	printable := func(r rune) bool { return r == '\n' || r == '\t' || r >= ' ' && r != 0x7f }
	return utf8.Valid(body) && !strings.ContainsFunc(string(body), func(r rune) bool { return !printable(r) }) &&
		!bytes.HasPrefix(body, []byte("-- ")) && !bytes.Contains(body, []byte("\n-- "))
}

// parseArchive reads what formatArchive wrote.
func parseArchive(text []byte) (comment string, messages []message, want string, err error) {
	a := txtar.Parse(text)
	for _, f := range a.Files {
		if f.Name == wantFile {
			want = string(f.Data)
			continue
		}
		m, err := parseMessage(f)
		if err != nil {
			return "", nil, "", fmt.Errorf("reading message %q: %w", f.Name, err)
		}
		messages = append(messages, m)
	}
	return string(a.Comment), messages, want, nil
}

func parseMessage(f txtar.File) (message, error) {
	m := message{header: http.Header{}}
	name, is64 := strings.CutSuffix(f.Name, " base64")
	if _, err := fmt.Sscanf(name, "%d %s %s", &m.stream, &m.port, &m.target); err != nil {
		return m, err
	}
	head, body, ok := strings.Cut("\n"+string(f.Data), "\n\n")
	if !ok {
		return m, fmt.Errorf("no empty line ends its headers")
	}
	for line := range strings.Lines(head) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			m.header.Set(k, v)
		}
	}
	if !is64 {
		m.body = []byte(strings.TrimSuffix(body, "\n"))
		return m, nil
	}
	var err error
	m.body, err = base64.StdEncoding.DecodeString(body) // which skips line ends
	return m, err
}

// What is recorded comes back from an archive byte for byte.
func TestArchive(t *testing.T) {
	t.Parallel()
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"node"}}
	var want []message
	for i, body := range []string{
		"", "\n", "a line", "a line\n", "\nan empty line\n\nand another\n\n", "a\r\n", "a:1|c\nb:2|g|#x:y\n",
		"-- want --\n", "text\n-- want --\n", "\x00\xff", "ä\t", strings.Repeat("\x01", 1000),
	} {
		want = append(want,
			message{stream: i + 1, port: "otlp-http", target: "/v1/traces", header: header, body: []byte(body)},
			message{stream: i + 1, port: "statsd", target: "-", header: http.Header{}, body: []byte(body)})
	}
	text := formatArchive("two clients, all protocols\n", want, "{\"a\": 1}\n")
	comment, got, answer, err := parseArchive(text)
	if err != nil {
		t.Fatal(err)
	}
	if comment != "two clients, all protocols\n" || answer != "{\"a\": 1}\n" {
		t.Errorf("got comment %q and answer %q", comment, answer)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(message{})); diff != "" {
		t.Errorf("messages (-written +read):\n%s\n%s", diff, text)
	}
}
