package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// File is a file of values.
type File struct {
	Name string
	Text []byte
}

// free are the values that are maps of which Kubernetes, or the user, says what
// is in them.
var free = []string{"resources", "nodeSelector", "affinity", "annotations"}

// Parse returns the defaults with the files laid over them, in order, and then
// the settings, each as path=value. Maps are merged; lists are replaced.
func Parse(files []File, settings []string) (Values, error) {
	merged, err := readMap(DefaultValues)
	if err != nil {
		return Values{}, fmt.Errorf("reading the default values: %w", err)
	}
	for _, f := range files {
		over, err := readMap(f.Text)
		if err == nil {
			err = lay(merged, over, "")
		}
		if err != nil {
			return Values{}, fmt.Errorf("reading %s: %w", f.Name, err)
		}
	}
	for _, s := range settings {
		over, err := parseSetting(merged, s)
		if err == nil {
			err = lay(merged, over, "")
		}
		if err != nil {
			return Values{}, fmt.Errorf("--set %s: %w", s, err)
		}
	}
	data, err := json.Marshal(merged)
	if err != nil {
		return Values{}, err
	}
	var v Values
	unknown, err := kjson.UnmarshalStrict(data, &v)
	if err := errors.Join(append(unknown, err)...); err != nil {
		return Values{}, fmt.Errorf("reading the values: %w", err)
	}
	return v, v.Validate()
}

// readMap reads a YAML map, in which no key may be twice.
func readMap(doc []byte) (map[string]any, error) {
	data, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return nil, err
	}
	m := map[string]any{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &m); err != nil {
		return nil, errors.New("want a map of values")
	}
	return m, nil
}

// parseSetting reads path=value. The value is YAML, unless a text is wanted; a
// dot in a key is written with a backslash before it.
func parseSetting(known map[string]any, setting string) (map[string]any, error) {
	path, value, ok := strings.Cut(setting, "=")
	if !ok || path == "" {
		return nil, errors.New("want PATH=VALUE, as store.size=50Gi")
	}
	keys := strings.Split(strings.ReplaceAll(path, `\.`, "\x00"), ".")
	for i := range keys {
		keys[i] = strings.ReplaceAll(keys[i], "\x00", ".")
	}
	var wanted any = known
	for _, key := range keys {
		m, _ := wanted.(map[string]any)
		wanted = m[key]
	}
	var v any = value
	if _, isText := wanted.(string); !isText {
		data, err := yaml.YAMLToJSONStrict([]byte(value))
		if err != nil {
			return nil, err
		}
		if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &v); err != nil {
			return nil, err
		}
	}
	for _, key := range slices.Backward(keys) {
		v = map[string]any{key: v}
	}
	return v.(map[string]any), nil
}

// lay puts what over says in the place of what onto says. Keys that onto does not
// have and values of another kind are errors; null says nothing.
func lay(onto, over map[string]any, path string) error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(over)) {
		v, at := over[key], strings.TrimPrefix(path+"."+key, ".")
		old, ok := onto[key]
		switch {
		case v == nil:
		case !ok:
			errs = append(errs, fmt.Errorf("there is no value %s%s", at, didYouMean(at)))
		case kindOf(v) != kindOf(old):
			errs = append(errs, fmt.Errorf("%s is %s; want %s", at, kindOf(v), kindOf(old)))
		case kindOf(v) != aMap:
			onto[key] = v
		case slices.Contains(free, key):
			mergeFree(old.(map[string]any), v.(map[string]any))
		default:
			errs = append(errs, lay(old.(map[string]any), v.(map[string]any), at))
		}
	}
	return errors.Join(errs...)
}

// mergeFree merges maps whose keys are not ours.
func mergeFree(onto, over map[string]any) {
	for key, v := range over {
		below, was := onto[key].(map[string]any)
		if m, is := v.(map[string]any); was && is {
			mergeFree(below, m)
			continue
		}
		onto[key] = v
	}
}

const aMap = "a map"

// kindOf says of which kind a value is.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "text"
	case bool:
		return "true or false"
	case int64:
		return "a whole number"
	case float64:
		return "a number"
	case []any:
		return "a list"
	}
	return aMap
}

// didYouMean is `; did you mean "x"?` with the value whose path is nearest, also
// when it is written without or below another map, or "".
func didYouMean(path string) string {
	m, err := readMap(DefaultValues)
	if err != nil {
		return ""
	}
	last := path[strings.LastIndex(path, ".")+1:]
	best, distance := "", max(1, len(last)/3)+1
	for _, known := range paths(m, "") {
		d := edits(path, known)
		if known[strings.LastIndex(known, ".")+1:] == last {
			d = min(d, 1)
		}
		if d < distance {
			best, distance = known, d
		}
	}
	if best == "" {
		return "; signalbox install --print-values lists them"
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// paths are the paths of all values in the map.
func paths(m map[string]any, prefix string) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, prefix+key)
		if below, ok := m[key].(map[string]any); ok && !slices.Contains(free, key) {
			all = append(all, paths(below, prefix+key+".")...)
		}
	}
	return all
}

// edits is how many letters have to change to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
