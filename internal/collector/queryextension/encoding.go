package queryextension

import "net/http"

// confighttp decompresses request bodies and removes the header that said so;
// Prometheus' remote write and OTLP handlers want to do that themselves. The
// header therefore passes confighttp under another name.

const hiddenEncoding = "Signalbox-Content-Encoding"

// hidden goes around what confighttp makes.
func hidden(next http.Handler) http.Handler { return renamed(next, "Content-Encoding", hiddenEncoding) }

// shown goes inside it.
func shown(next http.Handler) http.Handler { return renamed(next, hiddenEncoding, "Content-Encoding") }

func renamed(next http.Handler, from, to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del(to)
		if v := r.Header.Values(from); len(v) > 0 {
			r.Header[to] = v
			r.Header.Del(from)
		}
		next.ServeHTTP(w, r)
	})
}
