package server

import (
	"html/template"
	"net/http"
	"time"
)

// statusAnswer is what /status says.
type statusAnswer struct {
	Version       string     `json:"version"`
	Started       nanos      `json:"started"`
	UptimeSeconds float64    `json:"uptimeSeconds"`
	Endpoints     []Endpoint `json:"endpoints"`
	Tails         int        `json:"tails"`
	Store         any        `json:"store,omitempty"`
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) error {
	a := statusAnswer{
		Version:       s.deps.Version,
		Started:       nanosOf(s.started),
		UptimeSeconds: s.deps.Now().Sub(s.started).Round(time.Millisecond).Seconds(),
		Endpoints:     append([]Endpoint{}, s.deps.Endpoints()...),
		Tails:         len(s.tails),
	}
	if s.deps.StoreStats != nil {
		a.Store = s.deps.StoreStats()
	}
	return writeJSON(w, a)
}

// home is the page at / when Deps brings none.
func (s *Server) home(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Path != "/" {
		return &problem{Status: http.StatusNotFound, Kind: "not_found", Message: "there is no such page"}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return homePage.Execute(w, map[string]any{
		"Version": s.deps.Version, "Endpoints": s.deps.Endpoints(), "API": apiPrefix, "Host": r.Host,
		"Metrics": s.deps.Metrics != nil,
	})
}

var homePage = template.Must(template.New("home").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Signalbox</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
pre { padding: .75rem; overflow-x: auto; border: 1px solid #8886; border-radius: 6px }
</style>
</head>
<body>
<h1>Signalbox {{.Version}} is running</h1>
<h2>Send data</h2>
{{with .Endpoints}}<ul>{{range .}}
<li>{{.Name}}: <code>{{.URL}}</code></li>{{end}}
</ul>{{end}}
<p>Most OpenTelemetry SDKs need one line:</p>
<pre>export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf</pre>
<h2>Ask</h2>
<pre>curl -G 'http://{{.Host}}{{.API}}traces' --data-urlencode 'q={ status = error }' -d start=now-1h
curl -G 'http://{{.Host}}{{.API}}logs' --data-urlencode 'q=severity &gt;= warn' -d start=now-1h
curl -N 'http://{{.Host}}{{.API}}traces/tail'</pre>
<ul>
<li><a href="{{.API}}services">services</a>, <a href="{{.API}}traces">traces</a>, <a href="{{.API}}logs">logs</a> of the last hour</li>
<li><a href="{{.API}}openapi.yaml">the API</a>, <a href="{{.API}}status">status</a>, <a href="/metrics">metrics of this process</a></li>
{{if .Metrics}}<li>PromQL: <code>http://{{.Host}}/api/v1/query?query=up</code></li>{{end}}
</ul>
</body>
</html>
`))
