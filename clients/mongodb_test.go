package clients

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The guestbook keeps its messages on a server of MongoDB's protocol, and its
// insert has the name that it has in the Python original.
func TestGuestbookOnMongoDB(t *testing.T) {
	t.Parallel()
	database, frontend, backend := freeAddr(t, "tcp"), freeAddr(t, "tcp"), freeAddr(t, "tcp")
	background(t, goProgram(t, "ferretdb", "../tools/ferretdb", "."), "-listen", database, "-dir", t.TempDir()+"/")
	port := func(addr string) string { return addr[strings.LastIndex(addr, ":")+1:] }
	background(t, program{args: []string{binary}}, "demo", "--mongodb", "mongodb://"+database,
		"--frontend-port", port(frontend), "--backend-port", port(backend), "--otlp-endpoint", box.url("otlp-http-port"))
	await(t, "http://"+backend+"/messages")

	res, err := http.Post("http://"+backend+"/messages", "application/json", strings.NewReader(`{"author":"Ada","message":"hello"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("posting a message: got %s; want 201", res.Status)
	}
	eventually(t, func(ctx context.Context) error {
		var found struct{ Data []struct{ TraceID string } }
		if err := box.get(ctx, "/api/traces?service=guestbook-backend&operation=guestbook.insert&limit=1", &found); err != nil {
			return err
		}
		if len(found.Data) == 0 {
			return errors.New("no trace with guestbook.insert")
		}
		td, err := box.trace(ctx, found.Data[0].TraceID)
		if err != nil {
			return err
		}
		all, err := spans(td)
		if err != nil {
			return err
		}
		got := all["guestbook.insert"]
		want := span{Parent: "POST /messages", Kind: "Client", Status: "Unset", Service: "guestbook-backend", Attrs: map[string]any{
			"db.system.name": "mongodb", "db.namespace": "guestbook", "db.collection.name": "messages", "db.operation.name": "insert",
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("guestbook.insert (-want +got):\n%s", diff)
		}
		return nil
	})
}
