package certs

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	testStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	testNames = []string{"hooks.operator.svc", "127.0.0.1"}
)

// trusts reports whether who has the bundle of one state accepts what another
// serves.
func trusts(t *testing.T, bundle, serves *material, now time.Time) bool {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle.bundle())
	for _, name := range testNames {
		if _, err := serves.leaf().Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now}); err != nil {
			t.Logf("at %s: %v", now.Format(time.DateTime), err)
			return false
		}
	}
	return true
}

// Three years of steps, looked at every three hours: each state is read back as it
// was written, and whoever is a state behind or ahead still trusts what is served.
func TestAdvance(t *testing.T) {
	var m *material
	steps := map[step]int{}
	for now := testStart; now.Before(testStart.AddDate(3, 0, 0)); now = now.Add(3 * time.Hour) {
		after, what, err := advance(m, now, testNames, true)
		if err != nil {
			t.Fatal(err)
		}
		if what == stepNone {
			continue
		}
		steps[what]++
		data, err := after.data()
		if err != nil {
			t.Fatal(err)
		}
		back, err := read(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(after.bundle()), string(back.bundle())); diff != "" {
			t.Errorf("authorities read back (-want +got)\n%s", diff)
		}
		if m != nil && (!trusts(t, m, back, now) || !trusts(t, back, m, now)) {
			t.Errorf("%s at %s: who is a step behind or ahead does not trust what is served", what, now)
		}
		m = back
	}
	// Authorities of a year and certificates of 90 days, replaced when a third of
	// that is left. An authority that begins to sign makes a certificate, too.
	want := map[step]int{stepNew: 1, stepAnnounce: 4, stepPromote: 4, stepForget: 4, stepServing: 18}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("steps of three years (-want +got)\n%s", diff)
	}
}

// An authority does not sign before everybody is known to trust it, unless there
// is nothing else to be shown.
func TestAdvanceWaits(t *testing.T) {
	m, _, err := advance(nil, testStart, testNames, false)
	if err != nil {
		t.Fatal(err)
	}
	restored, _, err := restore(m, testStart)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		from  *material
		now   time.Time
		known bool
		want  step
	}{
		{"announced a moment ago", restored, testStart.Add(announced - time.Second), true, stepNone},
		{"not known", restored, testStart.Add(announced), false, stepNone},
		{"known", restored, testStart.Add(announced), true, stepPromote},
		{"nothing due", m, testStart.Add(24 * time.Hour), false, stepNone},
		{"the certificate has expired", m, testStart.Add(leafLife + time.Hour), false, stepServing},
		{"the authority has expired", m, testStart.Add(authorityLife), false, stepNew},
		{"clocks went back", m, testStart.Add(-2 * skew), false, stepNew},
	} {
		if _, got, err := advance(c.from, c.now, testNames, c.known); got != c.want || err != nil {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
	if _, got, _ := advance(m, testStart, append(testNames, "another.svc"), true); got != stepServing {
		t.Errorf("another name: got %q; want %q", got, stepServing)
	}
}

// What is not as it was written is refused with what is wrong.
func TestReadDamaged(t *testing.T) {
	m, _, err := advance(nil, testStart, testNames, true)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := advance(nil, testStart, testNames, true)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.data()
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"ca.crt":  "reading ca.key: a key that belongs to no authority in ca.crt",
		"ca.key":  "reading ca.key: a key that belongs to no authority in ca.crt",
		"tls.crt": "reading tls.crt and tls.key: tls: private key does not match public key",
		"tls.key": "reading tls.crt and tls.key: tls: private key does not match public key",
	} {
		data, err := m.data()
		if err != nil {
			t.Fatal(err)
		}
		data[key] = foreign[key]
		if _, err := read(data); err == nil || err.Error() != want {
			t.Errorf("foreign %s: got %v; want %s", key, err, want)
		}
		data[key] = []byte("nonsense")
		if _, err := read(data); err == nil {
			t.Errorf("nonsense in %s is not refused", key)
		}
		delete(data, key)
		if _, err := read(data); err == nil {
			t.Errorf("no %s is not refused", key)
		}
	}
}

func FuzzRead(f *testing.F) {
	m, _, err := advance(nil, testStart, testNames, true)
	if err != nil {
		f.Fatal(err)
	}
	data, err := m.data()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data["ca.crt"], data["ca.key"], []byte(nil), data["tls.crt"], data["tls.key"])
	f.Fuzz(func(t *testing.T, ca, caKey, nextCA, crt, key []byte) {
		m, err := read(map[string][]byte{"ca.crt": ca, "ca.key": caKey, "next-ca.key": nextCA, "tls.crt": crt, "tls.key": key})
		if err != nil {
			return
		}
		if _, err := m.data(); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
