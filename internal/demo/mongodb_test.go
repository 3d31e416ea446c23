package demo

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Operations of MongoDB's wire protocol: a message is a header of four numbers
// (length, id, id it answers, operation) and a body.
const (
	opReply = 1
	opQuery = 2004
	opMsg   = 2013
)

// fakeMongo speaks as much of the protocol as the driver needs for a server
// that keeps one collection in memory.
type fakeMongo struct {
	t    *testing.T
	mu   sync.Mutex
	docs []bson.D
	fail bool // refuse inserts
}

func startMongo(t *testing.T) (*fakeMongo, string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	m := &fakeMongo{t: t}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go m.serve(conn)
		}
	}()
	return m, "mongodb://" + l.Addr().String() + "/?directConnection=true"
}

func (m *fakeMongo) serve(conn net.Conn) {
	defer conn.Close()
	for {
		header := make([]byte, 16)
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		body := make([]byte, binary.LittleEndian.Uint32(header)-16)
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		var prefix, reply []byte
		var err error
		op := uint32(opMsg)
		switch binary.LittleEndian.Uint32(header[12:]) {
		case opMsg:
			prefix = make([]byte, 5) // flags, and the kind of the section
			reply, err = bson.Marshal(m.answer(body[5:]))
		case opQuery: // the first message of a connection
			op, prefix = opReply, make([]byte, 20)
			prefix[16] = 1 // one document
			reply, err = bson.Marshal(hello())
		}
		if err != nil {
			m.t.Error(err)
			return
		}
		out := make([]byte, 16, 16+len(prefix)+len(reply))
		binary.LittleEndian.PutUint32(out, uint32(cap(out)))
		copy(out[8:12], header[4:8])
		binary.LittleEndian.PutUint32(out[12:], op)
		if _, err := conn.Write(append(append(out, prefix...), reply...)); err != nil {
			return
		}
	}
}

func hello() bson.D {
	return bson.D{{Key: "ok", Value: 1}, {Key: "helloOk", Value: true}, {Key: "isWritablePrimary", Value: true},
		{Key: "minWireVersion", Value: 0}, {Key: "maxWireVersion", Value: 21}, {Key: "maxBsonObjectSize", Value: 16 << 20},
		{Key: "maxMessageSizeBytes", Value: 48000000}, {Key: "maxWriteBatchSize", Value: 100000}}
}

// answer obeys one command. Inserted documents come in a section of their own
// behind it: size, name, documents.
func (m *fakeMongo) answer(sections []byte) bson.D {
	command := bson.Raw(sections[:binary.LittleEndian.Uint32(sections)])
	rest := sections[len(command):]
	m.mu.Lock()
	defer m.mu.Unlock()
	switch first, _ := command.IndexErr(0); first.Key() {
	case "hello":
		return hello()
	case "insert":
		if m.fail {
			return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 13}, {Key: "errmsg", Value: "not authorized"}}
		}
		var doc bson.D
		if err := bson.Unmarshal(rest[5+len("documents\x00"):], &doc); err != nil {
			m.t.Error(err)
		}
		m.docs = append([]bson.D{doc}, m.docs...)
		return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 1}}
	case "find":
		if sort, want := command.Lookup("sort").String(), `{"_id": {"$numberInt":"-1"}}`; sort != want {
			m.t.Errorf("find: got sort %s; want %s", sort, want)
		}
		return bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "guestbook.messages"}, {Key: "firstBatch", Value: m.docs}}}}
	}
	return bson.D{{Key: "ok", Value: 1}}
}

// With MongoDB there is no store, and the insert has the name that it has in
// the Python original.
func TestMongoDB(t *testing.T) {
	db, uri := startMongo(t)
	got, endpoint := startOTLP(t)
	g, stop := start(t, Settings{OTLP: endpoint, MongoDB: uri})
	backend := "http://" + g.Address(Backend) + "/messages"
	post := func(want int) {
		t.Helper()
		resp, err := http.Post(backend, "application/json", strings.NewReader(`{"author":"Ada","message":"hello"}`))
		if err != nil {
			t.Fatal(err)
		}
		if status, body := answer(t, resp); status != want {
			t.Errorf("posting: got %d %s; want %d", status, body, want)
		}
	}
	post(http.StatusCreated)
	if status, body := get(t, backend); status != http.StatusCreated || !strings.Contains(body, `"author":"Ada","message":"hello","date":1`) {
		t.Errorf("reading: got %d %s; want the message", status, body)
	}
	stop()
	parent, insert := got.spans["guestbook-backend Server: POST /messages"], got.spans["guestbook-backend Client: guestbook.insert"]
	if insert == (ptrace.Span{}) || insert.ParentSpanID() != parent.SpanID() {
		t.Fatalf("got no span guestbook.insert below POST /messages; have %v", got.spans)
	}
	for key, want := range map[string]string{"db.system.name": "mongodb", "db.namespace": "guestbook", "db.collection.name": "messages", "db.operation.name": "insert"} {
		if v, _ := insert.Attributes().Get(key); v.Str() != want {
			t.Errorf("guestbook.insert: got %s %q; want %q", key, v.Str(), want)
		}
	}
	if _, ok := got.spans["guestbook-backend Client: guestbook.find"]; !ok || !got.metrics["db.client.operation.duration"] {
		t.Errorf("got no span guestbook.find, or no db.client.operation.duration; have metrics %v", got.metrics)
	}

	db.mu.Lock()
	db.fail = true
	db.mu.Unlock()
	g, stop = start(t, Settings{OTLP: endpoint, MongoDB: uri})
	backend = "http://" + g.Address(Backend) + "/messages"
	post(http.StatusInternalServerError)
	stop()
	insert = got.spans["guestbook-backend Client: guestbook.insert"]
	if v, _ := insert.Attributes().Get("error.type"); v.Str() != "13" || insert.Status().Message() == "" {
		t.Errorf("refused insert: got error.type %q, status %q; want 13 and what the server said", v.Str(), insert.Status().Message())
	}
}

func TestMongoDBMistakes(t *testing.T) {
	tel, err := newTelemetry(t.Context(), Backend, true, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openMongoDB(tel, "postgres://x"); err == nil || errors.Is(err, errInvalid) {
		t.Errorf("got %v; want a connection string of another database refused", err)
	}
}
