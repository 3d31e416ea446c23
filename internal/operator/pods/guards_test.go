package pods

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// Guards are kept in a ConfigMap: what is not changed is not written, what cannot
// be read is written anew, and there are not too many.
func TestGuards(t *testing.T) {
	c := fake.NewClientBuilder().Build()
	g := &Guards{namespace: "operator", client: c, log: slog.New(slog.DiscardHandler), changed: make(chan event.GenericEvent, 1)}
	stored := func() *corev1.ConfigMap {
		t.Helper()
		m := new(corev1.ConfigMap)
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "operator", Name: needs.CrashGuardConfigMap}, m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	add := func(name string, at time.Time) {
		t.Helper()
		one := inject.Guard{Namespace: "shop", Workload: "Deployment", Name: name, Kind: inject.Python, Source: "shop/all", Sum: "1", Program: "2", Since: metav1.NewTime(at), Cause: "it: \"crashed\""}
		if err := g.update(t.Context(), func(all []inject.Guard) []inject.Guard { return append(all, one) }); err != nil {
			t.Fatal(err)
		}
	}
	at := noon.Local()
	add("cart", at)
	read, err := ReadGuards(t.Context(), c, "operator")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(g.All(t.Context()), read); diff != "" {
		t.Errorf("what is read is not what was written (-want +got):\n%s", diff)
	}
	version := stored().ResourceVersion
	if err := g.update(t.Context(), func(all []inject.Guard) []inject.Guard { return all }); err != nil {
		t.Fatal(err)
	}
	if got := stored().ResourceVersion; got != version {
		t.Error("what did not change was written")
	}

	m := stored()
	m.Data[guardsKey] = "- {namespace: [}"
	if err := c.Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	g.take(m)
	if len(g.All(t.Context())) != 1 {
		t.Error("a mistake in the ConfigMap ends the guards")
	}
	add("checkout", at)
	if all := g.All(t.Context()); len(all) != 1 || all[0].Name != "checkout" {
		t.Errorf("got %+v; want what was added after a mistake", all)
	}

	if err := g.update(t.Context(), func(all []inject.Guard) []inject.Guard {
		for i := range guardsKept {
			all = append(all, inject.Guard{Name: fmt.Sprint(i), Since: metav1.NewTime(at.Add(time.Duration(i+1) * time.Second))})
		}
		return all
	}); err != nil {
		t.Fatal(err)
	}
	if all := g.All(t.Context()); len(all) != guardsKept || all[0].Name != "0" {
		t.Errorf("got %d guards, the first %s; want %d without the oldest", len(all), all[0].Name, guardsKept)
	}
	if got, err := ReadGuards(t.Context(), c, "elsewhere"); err != nil || got != nil {
		t.Errorf("got %v, %v where there is no ConfigMap; want none", got, err)
	}
	if got := (*Guards)(nil).All(t.Context()); got != nil {
		t.Errorf("got %v of an operator without crash guard", got)
	}
}
