package resourcedetection

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// detectEnv reads OTEL_RESOURCE_ATTRIBUTES: pairs key=value with commas between
// them, percent-encoded. OTEL_RESOURCE is the name that it had in 2019.
func detectEnv(_ context.Context, to found) error {
	text := cmp.Or(strings.TrimSpace(os.Getenv("OTEL_RESOURCE_ATTRIBUTES")), strings.TrimSpace(os.Getenv("OTEL_RESOURCE")))
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %q is no pair key=value", pair)
		}
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if err != nil {
			return fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: value of %s: %w", key, err)
		}
		to.attributes.PutStr(key, decoded)
	}
	return nil
}
