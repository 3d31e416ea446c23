package v1alpha1

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// remainder is what a conversion lost, as RemainderAnnotation holds it: JSON, or
// where it is long gzip in base64.
type remainder struct {
	// Of is the hash of what comes back by itself; where that is still so,
	// nothing was changed since.
	Of string `json:"of"`
	// Fields are the lost ones by JSON pointer. Each is the hash of what comes
	// back by itself, "" for nothing, and, unless there was none, the value.
	Fields map[string][]any `json:"fields"`
}

const (
	// annotationsSize is what Kubernetes allows for all annotations of an object.
	annotationsSize = 256 << 10
	// readableSize is up to where a remainder is kept as people can read it.
	readableSize = 8 << 10
	// remainderSize bounds what a compressed remainder may hold; objects are
	// smaller.
	remainderSize = 2 << 20
	// remainderFields bounds how many fields may come back: the versions differ
	// in fewer. Each costs a conversion, and anybody may write the annotation.
	remainderFields = 128
)

// lost finds what is in object and not in back, which came of it by converting
// there and back. Lists are compared as a whole.
func lost(back, object map[string]any) remainder {
	r := remainder{Fields: map[string][]any{}}
	for _, key := range []string{"spec", "status"} {
		r.compare("/"+key, back[key], object[key])
	}
	if len(r.Fields) > 0 {
		r.Of = hash(content(back))
	}
	return r
}

func (r remainder) compare(path string, back, value any) {
	b, ok1 := back.(map[string]any)
	v, ok2 := value.(map[string]any)
	if !ok1 || !ok2 {
		switch {
		case hash(back) == hash(value):
		case value == nil:
			r.Fields[path] = []any{hash(back)}
		default:
			r.Fields[path] = []any{hash(back), value}
		}
		return
	}
	for key := range b {
		r.compareKey(path, b, v, key)
	}
	for key := range v {
		if _, ok := b[key]; !ok {
			r.compareKey(path, b, v, key)
		}
	}
}

// compareKey tells null from nothing, which hash does not.
func (r remainder) compareKey(path string, back, value map[string]any, key string) {
	path += "/" + escape.Replace(key)
	b, inBack := back[key]
	v, inValue := value[key]
	if inValue && v == nil && (!inBack || b != nil) {
		r.Fields[path] = []any{hash(b), nil}
		return
	}
	if inBack && b == nil && !inValue {
		r.Fields[path] = []any{hash(b)}
		return
	}
	r.compare(path, b, v)
}

var (
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
	unescape = strings.NewReplacer("~1", "/", "~0", "~")
)

// content is what conversion is about.
func content(object map[string]any) map[string]any {
	return map[string]any{"spec": object["spec"], "status": object["status"]}
}

// hash tells values apart, "" for nothing.
func hash(v any) string {
	if v == nil {
		return ""
	}
	data, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// restore puts back into plain, which is fresh from conversion, what was lost
// before: all of it where nothing was changed since, else what is not about a
// changed field and does not change, by back, what the other version says.
func (r remainder) restore(plain map[string]any, back func(map[string]any) map[string]any) map[string]any {
	if len(r.Fields) == 0 {
		return plain
	}
	unchanged := hash(content(plain)) == r.Of
	said := hash(content(back(plain)))
	try := func(from map[string]any, paths ...string) (map[string]any, bool) {
		to := runtime.DeepCopyJSON(from)
		for _, path := range paths {
			r.put(to, path)
		}
		return to, (decodes(to) || !decodes(from)) && (unchanged || hash(content(back(to))) == said)
	}
	paths := slices.Sorted(maps.Keys(r.Fields))
	// Fields that depend on each other come back together or not at all.
	if all, ok := try(plain, paths...); ok {
		return all
	}
	for _, path := range paths {
		if one, ok := try(plain, path); ok {
			plain = one
		}
	}
	return plain
}

// put sets one field, unless it or what it is in was changed.
func (r remainder) put(object map[string]any, path string) {
	keys := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range keys {
		keys[i] = unescape.Replace(keys[i])
	}
	last := len(keys) - 1
	parent, key := child(object, keys[:last]...), keys[last]
	field := r.Fields[path]
	if parent == nil || keys[0] != "spec" && keys[0] != "status" || len(field) == 0 || field[0] != hash(parent[key]) {
		return
	}
	if len(field) == 1 {
		delete(parent, key)
		return
	}
	parent[key] = runtime.DeepCopyJSONValue(field[1])
}

// takeRemainder removes the annotations of an earlier conversion and returns
// what they hold; nothing where they hold nothing that we wrote.
func takeRemainder(object map[string]any) remainder {
	annotations := child(object, "metadata", "annotations")
	text, _ := annotations[v1beta1.RemainderAnnotation].(string)
	delete(annotations, v1beta1.RemainderAnnotation)
	delete(annotations, v1beta1.LostAnnotation)
	dropEmptyAnnotations(object)
	data := []byte(text)
	if !strings.HasPrefix(text, "{") {
		data = expand(text)
	}
	var r remainder
	if err := utiljson.Unmarshal(data, &r); err != nil || len(r.Fields) > remainderFields {
		return remainder{}
	}
	return r
}

// setRemainder keeps r in an annotation. What there is no room for, the longest
// first, is named in LostAnnotation.
func setRemainder(object map[string]any, r remainder) {
	var left []string
	for len(r.Fields) > 0 {
		text, ok := r.text(room(object) - len(strings.Join(left, " ")))
		if ok {
			annotate(object, v1beta1.RemainderAnnotation, text)
			break
		}
		longest := slices.MaxFunc(slices.Sorted(maps.Keys(r.Fields)), func(a, b string) int { return size(r.Fields[a]) - size(r.Fields[b]) })
		delete(r.Fields, longest)
		left = append(left, longest)
	}
	if text := strings.Join(left, " "); text != "" && len(text) <= room(object) {
		annotate(object, v1beta1.LostAnnotation, text)
	}
}

func size(v any) int {
	data, _ := json.Marshal(v)
	return len(data)
}

// room is how long an annotation of ours may be beside those that there are.
func room(object map[string]any) int {
	left := annotationsSize - len(v1beta1.RemainderAnnotation) - len(v1beta1.LostAnnotation)
	for key, value := range child(object, "metadata", "annotations") {
		text, _ := value.(string)
		left -= len(key) + len(text)
	}
	return left
}

// text writes r in at most room bytes, or reports that it cannot.
func (r remainder) text(room int) (string, bool) {
	data, err := json.Marshal(r)
	if err != nil {
		return "", false
	}
	if len(data) <= min(room, readableSize) {
		return string(data), true
	}
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = w.Write(data) // a buffer takes everything
	_ = w.Close()
	text := base64.StdEncoding.EncodeToString(b.Bytes())
	return text, len(text) <= room
}

// expand undoes text for a long remainder; nil where it is none.
func expand(text string) []byte {
	r, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
	if err != nil {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(r, remainderSize))
	if err != nil {
		return nil
	}
	return data
}
