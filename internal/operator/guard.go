package operator

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// rememberFor is how long an answer of the API server about a token holds.
	rememberFor = time.Minute
	// rememberMost bounds how many answers are kept.
	rememberMost = 256
	// askFor bounds a question to the API server.
	askFor = 10 * time.Second
)

// guard lets those through whose token the API server knows and who may get the
// path.
type guard struct {
	client client.Client
	next   http.Handler
	logger *slog.Logger
	// audiences are what a token may be for; none is the API server.
	audiences []string

	mu    sync.Mutex
	known map[[sha256.Size]byte]verdict
}

// verdict is what the API server said.
type verdict struct {
	status int
	until  time.Time
}

func newGuard(c client.Client, next http.Handler, logger *slog.Logger, audiences ...string) *guard {
	return &guard{client: c, next: next, logger: logger, audiences: audiences, known: map[[sha256.Size]byte]verdict{}}
}

// ServeHTTP answers 401 to who is not known, 403 to who may not, and passes on
// the rest.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		http.Error(w, "send the token of an account that may get "+r.URL.Path, http.StatusUnauthorized)
		return
	}
	switch status := g.status(r.Context(), token, r.URL.Path); status {
	case http.StatusOK:
		g.next.ServeHTTP(w, r)
	default:
		http.Error(w, http.StatusText(status), status)
	}
}

func (g *guard) status(ctx context.Context, token, path string) int {
	key := sha256.Sum256([]byte(path + " " + token))
	now := time.Now()
	g.mu.Lock()
	v, ok := g.known[key]
	g.mu.Unlock()
	if ok && now.Before(v.until) {
		return v.status
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	status, err := g.ask(ctx, token, path)
	if err != nil {
		g.logger.WarnContext(ctx, "a reader cannot be checked", "error", err)
		return http.StatusServiceUnavailable
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, v := range g.known {
		if len(g.known) >= rememberMost || now.After(v.until) {
			delete(g.known, k)
		}
	}
	g.known[key] = verdict{status, now.Add(rememberFor)}
	return status
}

// ask asks the API server whose token it is, and what they may.
func (g *guard) ask(ctx context.Context, token, path string) (int, error) {
	who := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: g.audiences}}
	if err := g.client.Create(ctx, who); err != nil {
		return 0, fmt.Errorf("reviewing a token: %w", err)
	}
	if !who.Status.Authenticated {
		return http.StatusUnauthorized, nil
	}
	user := who.Status.User
	extra := map[string]authorizationv1.ExtraValue{}
	for k, v := range user.Extra {
		extra[k] = authorizationv1.ExtraValue(v)
	}
	may := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, Groups: user.Groups, UID: user.UID, Extra: extra,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: path, Verb: "get"},
	}}
	if err := g.client.Create(ctx, may); err != nil {
		return 0, fmt.Errorf("reviewing access: %w", err)
	}
	if !may.Status.Allowed {
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}
