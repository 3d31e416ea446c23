package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// Log messages are constant and lower case, and their keys are those that
// docs/observability.md explains.
func TestLogKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile("docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(string(text), -1) {
		for key := range strings.SplitSeq(row[1], ", ") {
			known[strings.Trim(key, "`")] = true
		}
	}
	files := token.NewFileSet()
	err = filepath.WalkDir("internal", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(files, file, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				checkLogCall(t, files, call, known)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkLogCall looks at a call of a slog method: a message, then keys and values.
func checkLogCall(t *testing.T, files *token.FileSet, call *ast.CallExpr, known map[string]bool) {
	t.Helper()
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return
	}
	switch method.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
	default:
		return
	}
	message, ok := literal(call.Args[0])
	if !ok {
		return // another Error, as of gRPC's package status
	}
	at := files.Position(call.Pos())
	if first := []rune(message + " ")[0]; unicode.IsUpper(first) && !unicode.IsUpper([]rune(message + "  ")[1]) || strings.HasSuffix(message, ".") {
		t.Errorf("%s: message %q; want lower case and no full stop", at, message)
	}
	for i := 1; i < len(call.Args)-1; i += 2 {
		if key, ok := literal(call.Args[i]); ok && !known[key] {
			t.Errorf("%s: log key %q is not in docs/observability.md", at, key)
		}
	}
}

// literal is the value of a string constant that stands there.
func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}
