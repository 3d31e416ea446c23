package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
)

// handler answers a request or returns why it did not; once it has written
// something it must not return an error (see stream).
type handler func(w http.ResponseWriter, r *http.Request) error

// route is one line of the server's table.
type route struct {
	method  string // GET answers HEAD too
	pattern string // as http.ServeMux has it, without the method
	doc     string // one line, for readers of the table and of logs
	handle  handler
	// fail writes an error in the shape that the API's clients expect; nil: ours.
	fail func(w http.ResponseWriter, p *problem)
	// endless says that the answer goes on until the client leaves: it has no
	// timeout and is not compressed.
	endless bool
	// changes says that the request changes what this process does: a page of
	// another origin may not send it.
	changes bool
	// light says that the answer costs nothing: it does not wait for others.
	light bool
	// push says that the request brings data: its body may be large, and it waits
	// for other pushes, not for questions.
	push bool
}

// routes is the table of everything that the server answers, but for the page
// and the handler that Deps brings (Metrics).
func (s *Server) routes() []route {
	all := slices.Concat(s.ownRoutes(), s.loadRoutes(), []route{
		{method: "GET", pattern: "/healthz", doc: "says that the server is up", handle: s.health, light: true},
		{method: "GET", pattern: "/metrics", doc: "metrics of this process in the Prometheus format", handle: s.ownMetrics, light: true},
	})
	if s.deps.Reader == nil {
		return all
	}
	return slices.Concat(all, s.dataRoutes(), s.jaegerRoutes(), s.tempoRoutes(), s.lokiRoutes())
}

// mount registers the routes, and below them what answers the rest.
func (s *Server) mount(routes []route) {
	methods := map[string]map[string]*route{}
	for i := range routes {
		rt := &routes[i]
		if methods[rt.pattern] == nil {
			methods[rt.pattern] = map[string]*route{}
		}
		methods[rt.pattern][rt.method] = rt
	}
	for pattern, byMethod := range methods {
		s.mux.Handle(pattern, s.watch(pattern, s.choose(byMethod)))
	}
	s.mux.Handle("/api/", s.watch("/api/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, writeProblem, &problem{Status: http.StatusNotFound, Kind: "not_found", Message: "there is no such path in the API; see " + apiPrefix + "openapi.yaml"})
	})))
	s.mux.Handle("/", s.watch("/", s.deps.Pages))
}

// choose answers with the route of the request's method, or says which methods
// there are.
func (s *Server) choose(byMethod map[string]*route) http.Handler {
	allowed := []string{"OPTIONS"}
	for method := range byMethod {
		allowed = append(allowed, method)
		if method == "GET" {
			allowed = append(allowed, "HEAD")
		}
	}
	slices.Sort(allowed)
	allow := strings.Join(allowed, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == "HEAD" {
			method = "GET"
		}
		rt := byMethod[method]
		switch {
		case rt != nil:
			s.run(w, r, rt)
		case r.Method == "OPTIONS":
			w.Header().Set("Allow", allow)
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", allow)
			s.fail(w, r, writeProblem, &problem{Status: http.StatusMethodNotAllowed, Kind: "method", Message: "this path answers " + allow})
		}
	})
}

// run calls the route's handler within its limits.
func (s *Server) run(w http.ResponseWriter, r *http.Request, rt *route) {
	bytes := s.deps.Limits.BodyBytes
	if rt.push {
		bytes = s.deps.Limits.PushBytes
	}
	r.Body = http.MaxBytesReader(w, r.Body, bytes)
	if !rt.endless {
		ctx, cancel := context.WithTimeout(r.Context(), s.deps.Limits.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
		zw := compress(w, r)
		defer zw.close()
		w = zw
	}
	r = s.explaining(r, rt)
	release, err := s.admit(r.Context(), rt)
	if err == nil {
		defer release()
		if rt.changes {
			err = s.mayChange(r)
		}
	}
	if err == nil {
		err = rt.handle(w, r)
	}
	if err != nil {
		fail := rt.fail
		if fail == nil {
			fail = writeProblem
		}
		s.fail(w, r, fail, problemOf(err))
	}
}

// admit waits until the route may be answered; release must follow.
func (s *Server) admit(ctx context.Context, rt *route) (release func(), err error) {
	if rt.light || rt.endless {
		return func() {}, nil
	}
	places := s.working
	if rt.push {
		places = s.pushing
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		return nil, &problem{Status: http.StatusServiceUnavailable, Kind: "unavailable", RetryAfter: 5, Message: "too many requests at the same time; come again later"}
	}
}

// mayChange refuses what a page of another origin has a browser send. Programs
// that are no browser send no origin. A page whose own name was made to mean this
// machine is of the same origin as its request, as far as the browser knows: what
// comes over the loopback interface must call it localhost, or by its address.
func (s *Server) mayChange(r *http.Request) error {
	forbidden := func(why string) error {
		return &problem{Status: http.StatusForbidden, Kind: "forbidden", Message: why}
	}
	if err := s.origins.Check(r); err != nil {
		return forbidden("a page of another origin may not change anything here")
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if local == nil || !local.IP.IsLoopback() {
		return nil
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.Trim(r.Host, "[]")
	}
	if host != "localhost" && !strings.HasSuffix(host, ".localhost") && net.ParseIP(host) == nil {
		return forbidden("changes must be asked for at localhost or at an address, not at a name that means this machine")
	}
	return nil
}
