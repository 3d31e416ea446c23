package server

import (
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// wireTree is a message as its fields: every length-delimited one is kept as it
// is, numbers too.
type wireTree struct {
	messages map[protowire.Number][][]byte
	numbers  map[protowire.Number]uint64
}

func (m *wireTree) Unmarshal(b []byte) error {
	*m = wireTree{map[protowire.Number][][]byte{}, map[protowire.Number]uint64{}}
	return eachWireField(b, func(n protowire.Number, number uint64, text []byte) error {
		if text == nil {
			m.numbers[n] = number
		} else {
			m.messages[n] = append(m.messages[n], text)
		}
		return nil
	})
}

// at follows the first messages of the fields down.
func (m wireTree) at(t *testing.T, path ...protowire.Number) wireTree {
	t.Helper()
	for _, n := range path {
		if len(m.messages[n]) == 0 {
			t.Fatalf("field %v of %v is missing", n, path)
		}
		var inner wireTree
		if err := inner.Unmarshal(m.messages[n][0]); err != nil {
			t.Fatal(err)
		}
		m = inner
	}
	return m
}

func (m wireTree) text(n protowire.Number) string {
	if len(m.messages[n]) == 0 {
		return ""
	}
	return string(m.messages[n][0])
}

// With streaming on, Grafana's Tempo data source searches and computes over gRPC.
func TestGrafanaTempoStreaming(t *testing.T) {
	_, conn := serve(t, jaegerServer(t, shop()))
	call := func(method string, request wire) (wireTree, error) {
		stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/tempopb.StreamingQuerier/"+method,
			grpc.ForceCodecV2(codec{encoding.GetCodecV2(grpcproto.Name)}))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.SendMsg(encoded(request)); err != nil {
			t.Fatal(err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		var answer, more wireTree
		if err := stream.RecvMsg(&answer); err != nil {
			return answer, err
		}
		if err := stream.RecvMsg(&more); !errors.Is(err, io.EOF) {
			t.Errorf("%s: got %v behind the answer; want its end", method, err)
		}
		return answer, nil
	}
	from, to := uint64(grafanaRange[0].Unix()), uint64(grafanaRange[1].Unix())
	search := func(q string, tags ...string) (wireTree, error) {
		var r wire
		for i := 0; i+1 < len(tags); i += 2 {
			r.message(1, func(w *wire) { w.text(1, tags[i]); w.text(2, tags[i+1]) })
		}
		r.number(4, 20)
		r.number(5, from)
		r.number(6, to)
		r.text(8, q)
		r.number(9, 3)
		return call("Search", r)
	}
	found, err := search(`{ resource.service.name = "frontend" } >> { status = error }`)
	if err != nil || len(found.messages[1]) != 1 {
		t.Fatalf("search: got %d traces, %v; want 1", len(found.messages[1]), err)
	}
	if tr := found.at(t, 1); tr.text(1) != trace1 || tr.text(2) != "frontend" || tr.text(3) != "GET /" || tr.numbers[4] != jaegerEpoch || tr.numbers[5] != 5 {
		t.Errorf("search: got %+v", tr)
	}
	if span := found.at(t, 1, 7, 1); span.text(1) != "0000000000000003" || span.numbers[4] != 2_000_000 || found.at(t, 1, 7).numbers[2] != 1 {
		t.Errorf("span: got %+v", span)
	}
	if attr := found.at(t, 1, 7, 1, 5); attr.text(1) != "service.name" || attr.at(t, 2).text(1) != "backend" {
		t.Errorf("attribute: got %+v", attr)
	}
	if found, err := search("", "service.name", "back"); err != nil || len(found.messages[1]) != 1 {
		t.Errorf("search by tags: got %d traces, %v; want 1", len(found.messages[1]), err)
	}
	if _, err := search(`{ statsu = error }`); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "did you mean status?") {
		t.Errorf("wrong query: got %v; want InvalidArgument", err)
	}
	numbers := func(method, q string) (wireTree, error) {
		var r wire
		r.text(1, q)
		r.number(2, from*1e9)
		r.number(3, to*1e9)
		r.number(4, 60e9)
		return call(method, r)
	}
	series, err := numbers("MetricsQueryRange", `{ resource.service.name = "frontend" } | rate() by (resource.service.name)`)
	if err != nil || len(series.messages[1]) != 1 || len(series.at(t, 1).messages[2]) != 10 || series.at(t, 1, 2).numbers[2] != (from/60+1)*60_000 {
		t.Errorf("numbers over time: got %+v, %v", series, err)
	}
	if label := series.at(t, 1, 1); label.text(1) != "resource.service.name" || label.at(t, 2).text(1) != "frontend" || series.at(t, 1, 4, 1).text(1) != "trace:id" {
		t.Errorf("label: got %+v", label)
	}
	if series, err := numbers("MetricsQueryInstant", `{} | count_over_time() by (status)`); err != nil || len(series.messages[1]) != 3 {
		t.Errorf("numbers: got %+v, %v", series, err)
	}
	if _, err := numbers("MetricsQueryRange", `{}`); status.Code(err) != codes.InvalidArgument {
		t.Errorf("no numbers: got %v; want InvalidArgument", err)
	}
	if _, err := call("Search", wire{0x42, 0x7f}); status.Code(err) == codes.OK {
		t.Error("a request that breaks off was answered")
	}
}

// FuzzTempoRequest checks that no bytes make the reading of a request panic.
func FuzzTempoRequest(f *testing.F) {
	var r wire
	r.message(1, func(w *wire) { w.text(1, "k"); w.text(2, "v") })
	r.number(4, 20)
	r.text(8, "{}")
	r.double(9, 1)
	f.Add([]byte(r))
	f.Fuzz(func(t *testing.T, b []byte) {
		var request tempoRequest
		if err := request.Unmarshal(b); err == nil && len(request.tags) > len(b) {
			t.Errorf("%d tags of %d bytes", len(request.tags), len(b))
		}
	})
}
