package server

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

// injected is an operator that knows one workload.
func injected(_ context.Context, of InjectionQuestion) (Instrumentation, error) {
	at := Instant{time.Unix(0, jaegerEpoch)}
	return Instrumentation{
		Operator: "http://operator:8082", Time: at, PodsSeen: 7, Problems: []string{"listing pods of namespace dark: forbidden"},
		Workloads: []InjectedWorkload{{
			Kind: "Deployment", Namespace: of.Namespace, Name: "cart", PodsLeftOut: 1,
			Decisions: []InjectionDecision{{Kind: "python", Outcome: "injected", Reason: "AsAsked", Message: "python of Instrumentation shop/all is added to container app", Source: "shop/all", Containers: []string{"app"}}},
			Counts:    []InjectionCount{{"python", "Missed", 2}},
			Pods: []InjectedPod{{Name: "cart-1", Created: at, Standings: []InjectionStanding{{Kind: "python", State: "Missed", Message: "the pod started without it"}},
				Said: []AgentLine{{"app", "this Python program is not instrumented"}}}},
			Fixes: []InjectionFix{{"python", "kubectl rollout restart -n shop deployment/cart"}},
		}},
	}, nil
}

// Without an operator the answer is empty, and an operator that does not answer
// is no defect of this server.
func TestInstrumentationWithoutOperator(t *testing.T) {
	memory := &storetest.Memory{}
	ask := func(operator func(context.Context, InjectionQuestion) (Instrumentation, error)) *httptest.ResponseRecorder {
		return get(t, newTestServer(t, Deps{Reader: memory, Catalog: memory, Instrumentation: operator}), apiPrefix+"instrumentation")
	}
	if w := ask(nil); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"workloads":[],"workloadsLeftOut":0,"podsSeen":0,"problems":[]}` {
		t.Errorf("without an operator: got %d %s; want an empty answer", w.Code, w.Body)
	}
	w := ask(func(context.Context, InjectionQuestion) (Instrumentation, error) {
		return Instrumentation{}, errors.New("asking the operator at http://operator:8082: connection refused")
	})
	if w.Code != 502 || !strings.Contains(w.Body.String(), `{"kind":"operator","error":"asking the operator at http://operator:8082: connection refused"}`) {
		t.Errorf("an operator that is away: got %d %s; want 502, kind operator", w.Code, w.Body)
	}
}
