// Package house checks how the house is kept: who may import whom, which
// foreign packages a room keeps out and why, and that every package says what
// it is. It has no code of its own.
package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/signalbox-otel/signalbox"

// layers is the policy. "a < b" says that b may import a and all that a may.
// Rooms are named by their folder, those below internal/ without it; a folder
// belongs to the deepest room above it. Change this text only in a commit that
// argues for it.
const layers = `
	store/vfs < store < ingest < collector
	web < server

	# A trace leaves the query API as OTLP too, so what turns records back into
	# OTLP lies below query.
	store, ingest, metrics < query < server < collector

	# Languages about more than one record are read and executed above the engine
	# that reads the records for them.
	query < query/traceql, query/logql < server

	store, metrics < clickhouse < app

	# Archives hold OTLP, or rows that are made of it.
	store, ingest < archive < app

	# Old configurations are rewritten before they are loaded.
	api < migrate < collector

	# A sidecar is the collector that render describes.
	api, migrate < render < inject < operator
	operator, collector, allocator, doctor, demo, load < app < cmd/signalbox

	# What explain says of a workload is what the operator would decide.
	inject, operator < explain < app

	# What install prints grants what the operator says it needs.
	api, render, operator < install < app

	# A cluster is examined by what the operator and its installation say of
	# themselves.
	doctor, operator, install < doctor/cluster < app

	# The test cluster knows nothing of the product but its image; tests of any
	# room may start one.
	buildcache < e2e/kube < e2e/runtimes < e2e

	# What builds the payload images knows nothing of the product either.
	buildcache < images/payload < bench, e2e

	# Measurements run the built binary; they make their spans with our types, and
	# install on a test cluster what the operator says it needs.
	store, ingest, buildcache < bench
	api, operator, e2e/kube < bench
`

// bans keep foreign packages out of rooms; room "" is every room. A path bans
// what lies below it too. Tests are held only to bans with tests set.
var bans = []struct {
	room, path, reason string
	tests              bool
}{
	{"", "github.com/stretchr/testify", "testing and go-cmp say what was wanted; one way to assert", true},
	{"", "io/ioutil", "deprecated; io and os have it", true},
	{"", "log", "log/slog carries keys and levels", true},
	{"", "github.com/pkg/errors", "fmt.Errorf wraps", true},
	{"store", "os", "only store/vfs opens files, so that tests can fail and crash every operation", false},
	{"store", "net", "the engine has no network", false},
	{"store", "go.opentelemetry.io", "the engine knows no OTLP; ingest does", false},
	{"store", "k8s.io", "the engine knows no Kubernetes", false},
	{"ingest", "net", "bytes in, batches out", false},
	{"ingest", "os", "bytes in, batches out", false},
	{"archive", "net", "files only; app sends what is read to an endpoint", false},
	{"query", "net/http", "server speaks HTTP; query answers", false},
	{"query", "os", "query reads through its readers only", false},
	{"query/logql", "net/http", "server speaks HTTP; query answers", false},
	{"query/logql", "os", "query reads through its readers only", false},
	{"server", "go.opentelemetry.io/collector/component", "the server is no collector component; queryextension is", false},
	{"migrate", "net", "migration is pure", false},
	{"migrate", "os", "migration is pure: the environment is an argument", false},
	{"render", "context", "render is pure: nothing to cancel", false},
	{"render", "time", "render is pure: the same input gives the same objects", false},
	{"render", "math/rand", "render is pure: the same input gives the same objects", false},
	{"render", "log/slog", "render is pure: findings are part of the plan", false},
	{"render", "os", "render is pure: the environment is part of the facts", false},
	{"inject", "context", "inject is pure: nothing to cancel", false},
	{"inject", "time", "inject is pure: the same input gives the same mutation", false},
	{"inject", "log/slog", "inject is pure: the explanation is part of the result", false},
	{"inject", "os", "inject is pure: the environment is part of the facts", false},
}

// parsed is one folder with Go files.
type parsed struct {
	dir         string // slash separated, from the root
	name        string
	doc         string
	imports     map[string]string // path -> file
	testImports map[string]string
}

func TestLayers(t *testing.T) {
	below := parseLayers(t, layers)
	for _, p := range packages(t) {
		room := roomOf(below, p.dir)
		if room == "" {
			if len(p.imports) > 0 && p.name != "main" {
				t.Errorf("%s: no room in layers holds this package", p.dir)
			}
			continue
		}
		for imp, file := range p.imports {
			rel, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			if forTests(rel) && !forTests(p.dir) {
				t.Errorf("%s: imports %s, which is for tests", file, imp)
			}
			other := roomOf(below, rel)
			if other != room && !below[room][other] {
				t.Errorf("%s: room %q imports %q; layers in house_test.go do not allow it", file, room, other)
			}
		}
	}
}

// forTests says whether a folder's package is there for tests alone.
func forTests(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

func TestForeignImports(t *testing.T) {
	below := parseLayers(t, layers)
	for _, p := range packages(t) {
		for _, ban := range bans {
			if ban.room != "" && roomOf(below, p.dir) != ban.room {
				continue
			}
			files := p.imports
			if forTests(p.dir) {
				files = nil
			}
			if ban.tests {
				files = merge(p.imports, p.testImports)
			}
			for imp, file := range files {
				if imp == ban.path || strings.HasPrefix(imp, ban.path+"/") && ban.path != "log" {
					t.Errorf("%s: imports %s: %s", file, imp, ban.reason)
				}
			}
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		want := "Package " + p.name + " "
		if p.name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(p.doc, want) {
			t.Errorf("%s: package comment is %.40q; it should begin with %q and say what the package is", p.dir, p.doc, want)
		}
	}
}

// The policy itself is sound: no room is below itself, and every room that it
// names is spelled as the folders are.
func TestLayersAreAcyclic(t *testing.T) {
	for room, lower := range parseLayers(t, layers) {
		if lower[room] {
			t.Errorf("room %q is below itself", room)
		}
	}
}

// parseLayers gives for each room the rooms it may import.
func parseLayers(t *testing.T, text string) map[string]map[string]bool {
	t.Helper()
	below := map[string]map[string]bool{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		var previous []string
		for part := range strings.SplitSeq(line, "<") {
			var rooms []string
			for room := range strings.SplitSeq(part, ",") {
				room = strings.TrimSpace(room)
				if room == "" {
					t.Fatalf("layers: empty name in %q", line)
				}
				if below[room] == nil {
					below[room] = map[string]bool{}
				}
				for _, lower := range previous {
					below[room][lower] = true
				}
				rooms = append(rooms, room)
			}
			previous = rooms
		}
	}
	for changed := true; changed; {
		changed = false
		for _, lower := range below {
			for mid := range lower {
				for low := range below[mid] {
					if !lower[low] {
						lower[low], changed = true, true
					}
				}
			}
		}
	}
	return below
}

// roomOf is the deepest room that holds dir, "" when none does.
func roomOf(rooms map[string]map[string]bool, dir string) string {
	dir = strings.TrimPrefix(dir, "internal/")
	for dir != "." && dir != "" {
		if _, ok := rooms[dir]; ok {
			return dir
		}
		dir = path.Dir(dir)
	}
	return ""
}

// packages parses the imports and package comments of the module's folders.
func packages(t *testing.T) []*parsed {
	t.Helper()
	found := map[string]*parsed{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			if file != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "bin" || hasGoMod(file)) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(file, ".go") {
			return addFile(found, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []*parsed
	for _, p := range found {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *parsed) int { return strings.Compare(a.dir, b.dir) })
	return all
}

// hasGoMod reports whether the folder is a module of its own.
func hasGoMod(dir string) bool {
	found, _ := filepath.Glob(filepath.Join(dir, "go.mod"))
	return len(found) > 0
}

func addFile(found map[string]*parsed, file string) error {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return fmt.Errorf("parsing %s: %w", file, err)
	}
	dir := filepath.ToSlash(filepath.Dir(file))
	p := found[dir]
	if p == nil {
		p = &parsed{dir: dir, imports: map[string]string{}, testImports: map[string]string{}}
		found[dir] = p
	}
	imports := p.imports
	if strings.HasSuffix(file, "_test.go") {
		imports = p.testImports
	}
	if name := strings.TrimSuffix(f.Name.Name, "_test"); p.name == "" {
		p.name = name
	}
	if doc := packageDoc(f); doc != "" {
		p.doc = doc
	}
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		imports[imp] = file
	}
	return nil
}

func packageDoc(f *ast.File) string {
	if f.Doc == nil {
		return ""
	}
	return f.Doc.Text()
}

func merge(a, b map[string]string) map[string]string {
	all := map[string]string{}
	for k, v := range a {
		all[k] = v
	}
	for k, v := range b {
		all[k] = v
	}
	return all
}
