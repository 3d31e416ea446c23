package review

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Client asks an operator for its reports.
type Client struct {
	// URL of the operator, as http://host:port, without a path.
	URL string
	// TokenFile has the token of an account that may ask; it is read each time,
	// because tokens are renewed. Empty sends none.
	TokenFile string
	// HTTP makes requests; nil is http.DefaultClient.
	HTTP *http.Client
}

// Error is an answer of an operator that is none.
type Error struct {
	// Status is that of HTTP, and Message what the operator says.
	Status  int
	Message string
}

// Error is what the operator says.
func (e *Error) Error() string {
	return fmt.Sprintf("the operator answers %d: %s", e.Status, e.Message)
}

// Report asks for a report of a namespace, or of all when it is empty.
func (c *Client) Report(ctx context.Context, namespace string) (*Report, error) {
	r := new(Report)
	return r, c.get(ctx, url.Values{"namespace": {namespace}}, r)
}

// Workload asks about one workload.
func (c *Client) Workload(ctx context.Context, ref Ref) (*Workload, error) {
	w := new(Workload)
	return w, c.get(ctx, url.Values{"namespace": {ref.Namespace}, "kind": {ref.Kind}, "name": {ref.Name}}, w)
}

func (c *Client) get(ctx context.Context, query url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(c.URL, "/")+needs.WorkloadsPath+"?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("asking the operator: %w", err)
	}
	if c.TokenFile != "" {
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return fmt.Errorf("reading the token for the operator: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("asking the operator: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the operator's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return &Error{resp.StatusCode, strings.TrimSpace(string(body))}
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("reading the operator's answer: %w", err)
	}
	return nil
}
