package kube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The image that is shipped is what the cluster runs.
func TestShippedDockerfile(t *testing.T) {
	f := func(stage string, want Image) {
		t.Helper()
		got, err := FromDockerfile("../../images/signalbox/Dockerfile", stage, map[string]string{"build": "/made"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stage %s (-want +got):\n%s", stage, diff)
		}
	}
	want := Image{
		Files: []File{{Source: "/made/out/root", Target: "/"}, {Source: "/made/out/data", Target: "/data", UID: 65532}},
		Config: Config{
			Entrypoint: []string{"/signalbox"},
			Env:        []string{"XDG_DATA_HOME=/data"},
			User:       "65532:65532",
			Labels:     map[string]string{"org.opencontainers.image.title": "Signalbox", "org.opencontainers.image.licenses": "Apache-2.0"},
			Ports:      map[string]struct{}{"4316/tcp": {}, "4317/tcp": {}, "4318/tcp": {}},
		},
	}
	f("signalbox", want)
	want.Entrypoint = []string{"/otelcol"}
	f("collector", want)
}

// What is not understood is refused: an image that silently lacks something would
// be tested instead of the one that is shipped.
func TestDockerfileMistakes(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "Dockerfile")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := FromDockerfile(file, "a", map[string]string{"made": "/made"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v; want %q", text, err, want)
		}
	}
	f("FROM scratch", `want BASE AS NAME`)
	f("FROM debian:12 AS a", `"debian:12" is neither scratch nor an earlier stage`)
	f("FROM scratch AS b", `no stage "a"`)
	f("FROM scratch AS a\nRUN true", "instruction 2, RUN: not known here")
	f("FROM scratch AS a\nCOPY x /x", "want --from=STAGE SOURCE TARGET")
	f("FROM scratch AS a\nCOPY --from=other x /x", `the stage "other" is not given`)
	f("FROM scratch AS a\nCOPY --from=made --chown=me:me x /x", "both the same number")
	f("FROM scratch AS a\nENV A=$B", "want one NAME=value")
	f("FROM scratch AS a\nENTRYPOINT /x", "invalid character")
}

func TestDockerfileContinuedLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "Dockerfile")
	if err := os.WriteFile(file, []byte("# base\nFROM scratch AS a\nEXPOSE 1 \\\n  # not this\n  2/udp\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	img, err := FromDockerfile(file, "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]struct{}{"1/tcp": {}, "2/udp": {}}, img.Ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
}

// The cluster can run the images of payloads, too: each holds its files, and those
// that are copied hold cp.
func TestPayloadDockerfiles(t *testing.T) {
	files, err := filepath.Glob("../../images/*/rootfs.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		if name == "signalbox" {
			continue
		}
		img, err := FromDockerfile("../../images/"+name+"/Dockerfile", name, map[string]string{"build": "/made", "copy": "/made"})
		if err != nil {
			t.Fatal(err)
		}
		want := []File{{Source: "/made/out/root", Target: "/"}}
		if name != "probe" { // installs itself
			want = append(want, File{Source: "/made/out/cp", Target: "/bin/cp"})
		}
		if diff := cmp.Diff(want, img.Files); diff != "" {
			t.Errorf("files of %s (-want +got):\n%s", name, diff)
		}
	}
}
