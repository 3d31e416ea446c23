package verdict

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// A verdict is read as it was said, and one that is too long for the kubelet says
// what matters most.
func TestMessage(t *testing.T) {
	v := Verdict{Container: "app", Libc: Musl, Entry: "/app/run", Runtimes: []Runtime{
		{Language: Python, Version: "3.11", Path: "/usr/bin/python3", Used: true},
		{Language: NodeJS, Path: "/usr/bin/node", Reason: TooOld, Message: "it is version 16"},
	}}
	got, err := Parse(v.Message())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range 100 {
		v.Runtimes = append(v.Runtimes, Runtime{Language: Java, Path: "/" + strings.Repeat("ä", 500)})
	}
	text := v.Message()
	if got, err = Parse(text); err != nil || len(text) > MaxMessage || !utf8.ValidString(text) {
		t.Fatalf("%d bytes, %v: %s", len(text), err, text)
	}
	if diff := cmp.Diff([]string{Python}, got.Used()); diff != "" || len(got.Runtimes) < 5 {
		t.Errorf("%d runtimes, used (-want +got):\n%s", len(got.Runtimes), diff)
	}
	d := Delivery{Delivered: Python, Error: strings.Repeat("x", 10_000)}
	for range 1000 {
		d.Containers, d.Failed = append(d.Containers, "some-container"), append(d.Failed, "another")
	}
	if text := d.Message(); len(text) > MaxMessage {
		t.Errorf("a delivery has %d bytes; want at most %d", len(text), MaxMessage)
	}
}

func TestString(t *testing.T) {
	f := func(want string, v Verdict) {
		t.Helper()
		v.Container = "app"
		if got := v.String(); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	f("nothing that can be instrumented was found in container app (no C library)", Verdict{})
	f("nothing is known of container app: no space", Verdict{Error: "no space"})
	f("in container app (musl) python 3.11 is instrumented; java is not instrumented: it has an agent",
		Verdict{Libc: Musl, Runtimes: []Runtime{{Language: Python, Version: "3.11", Used: true}, {Language: Java, Message: "it has an agent"}}})
}

// What did not arrive is no longer used, in the containers that went without.
func TestMiss(t *testing.T) {
	d := Delivery{Delivered: Python, Containers: []string{"b"}, Failed: []string{"a"}, Error: "no space"}
	for container, want := range map[string]Reason{"a": NotCopied, "b": ""} {
		v := Verdict{Container: container, Runtimes: []Runtime{{Language: Python, Used: true}, {Language: Java, Used: true}}}
		v.Miss(d)
		if r := v.Runtimes[0]; r.Reason != want || r.Used != (want == "") || !v.Runtimes[1].Used {
			t.Errorf("container %s: got %+v", container, v.Runtimes)
		}
	}
}

func TestWritable(t *testing.T) {
	for value, want := range map[string]bool{
		"": true, "-Xmx1g -javaagent:/x.jar": true, "two\nlines $(X) \"quoted\" \\ #": true,
		"it's": false, "a\rb": false, "\x00": false, strings.Repeat("x", MaxValue): true, strings.Repeat("x", MaxValue+1): false,
	} {
		if got := Writable(value); got != want {
			t.Errorf("%.20q: got %t; want %t", value, got, want)
		}
	}
}

// Anybody may have written a message: it is read, or it is an error, and what was
// read can be said again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "{}", `{"container":"app","runtimes":[{"language":"python","used":true}]}`, `{"delivered":"java","failed":["a"]}`, `{"container":1}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := Parse(text); err == nil {
			if said := v.Message(); len(said) > MaxMessage+len(v.Container)*6+len(v.Libc)*6 {
				t.Errorf("%d bytes said of %q", len(said), text)
			}
			_ = v.String()
		}
		if d, err := ParseDelivery(text); err == nil {
			_ = d.Message()
		}
	})
}
