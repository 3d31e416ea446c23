package settings

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What follows makes functions that give a field of the settings the values of
// one source. Where a setting is not repeated, the last value is the one.

func text(field func(*Settings) *string) func(*Settings, []string) error {
	return func(s *Settings, v []string) error {
		*field(s) = last(v)
		return nil
	}
}

// anything takes what is of no use.
func anything(*Settings, []string) error { return nil }

func last(v []string) string {
	if len(v) == 0 {
		return ""
	}
	return v[len(v)-1]
}

// words are separated by commas, or a list in the file.
func words(field func(*Settings) *[]string) func(*Settings, []string) error {
	return func(s *Settings, v []string) error {
		*field(s) = nil
		for _, text := range v {
			for word := range strings.SplitSeq(text, ",") {
				if word = strings.TrimSpace(word); word != "" {
					*field(s) = append(*field(s), word)
				}
			}
		}
		return nil
	}
}

func boolean(field func(*Settings) *bool) func(*Settings, []string) error {
	return func(s *Settings, v []string) error {
		b, err := strconv.ParseBool(last(v))
		if err != nil {
			return fmt.Errorf("got %q; want true or false", last(v))
		}
		*field(s) = b
		return nil
	}
}

func oneOf(field func(*Settings) *string, known ...string) func(*Settings, []string) error {
	return func(s *Settings, v []string) error {
		got := strings.ToLower(last(v))
		if !slices.Contains(known, got) {
			return fmt.Errorf("got %q; want one of %s", last(v), strings.Join(known, ", "))
		}
		*field(s) = got
		return nil
	}
}

// address is host:port; 0 is none.
func address(field func(*Settings) *string) func(*Settings, []string) error {
	return func(s *Settings, v []string) error {
		got := last(v)
		if got == "0" {
			got = ""
		}
		if got != "" {
			_, p, err := net.SplitHostPort(got)
			if err != nil {
				return fmt.Errorf("got %q; want an address, as :8443 or 127.0.0.1:8443", got)
			}
			if err := port(func(*Settings) *int { return new(int) })(s, []string{p}); err != nil {
				return err
			}
		}
		*field(s) = got
		return nil
	}
}

// port takes 0 too, which is any that is free.
func port(field func(*Settings) *int) func(*Settings, []string) error {
	return func(s *Settings, v []string) error {
		n, err := strconv.Atoi(last(v))
		if err != nil || n < 0 || n > 65535 {
			return fmt.Errorf("got %q; want a port, 1 to 65535", last(v))
		}
		*field(s) = n
		return nil
	}
}

func number(field func(*Settings) *int) func(*Settings, []string) error {
	return func(s *Settings, v []string) error {
		n, err := strconv.Atoi(last(v))
		if err != nil || n < 0 {
			return fmt.Errorf("got %q; want a number, 0 or more", last(v))
		}
		*field(s) = n
		return nil
	}
}

func span(field func(*Settings) *time.Duration) func(*Settings, []string) error {
	return func(s *Settings, v []string) error {
		d, err := time.ParseDuration(last(v))
		if err != nil || d < 0 {
			return fmt.Errorf("got %q; want a length of time, as 90s or 5m", last(v))
		}
		*field(s) = d
		return nil
	}
}

func setFilter(field func(*Settings) *[]*regexp.Regexp) func(*Settings, []string) error {
	return func(s *Settings, v []string) error {
		*field(s) = nil
		for _, text := range v {
			if text == "" {
				continue // one that matches everything is not meant
			}
			e, err := regexp.Compile(text)
			if err != nil {
				return fmt.Errorf("got %q; want a regular expression: %w", text, err)
			}
			*field(s) = append(*field(s), e)
		}
		return nil
	}
}

func setMinVersion(s *Settings, v []string) error {
	known := map[string]uint16{"VersionTLS10": tls.VersionTLS10, "VersionTLS11": tls.VersionTLS11, "VersionTLS12": tls.VersionTLS12, "VersionTLS13": tls.VersionTLS13}
	version, ok := known[last(v)]
	if !ok {
		return fmt.Errorf("got %q; want VersionTLS12 or VersionTLS13", last(v))
	}
	s.TLS.MinVersion = version
	return nil
}

func setCipherSuites(s *Settings, v []string) error {
	var names []string
	_ = words(func(*Settings) *[]string { return &names })(s, v) // cannot fail
	s.TLS.CipherSuites = nil
	for _, name := range names {
		known := slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites())
		i := slices.IndexFunc(known, func(c *tls.CipherSuite) bool { return c.Name == name })
		if i < 0 {
			return fmt.Errorf("got %q; want names of cipher suites, as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", name)
		}
		s.TLS.CipherSuites = append(s.TLS.CipherSuites, known[i].ID)
	}
	return nil
}

// Gates are features that are opened and closed by name.
type Gates struct {
	// OperandNetworkPolicy makes network policies for resources that do not say
	// whether they want one.
	OperandNetworkPolicy bool
	// AllocationFallback lets target allocators place by hash what they cannot
	// place by node.
	AllocationFallback bool
}

// Gates that something comes of.
const (
	operandNetworkPolicy = "operand.networkpolicy"
	allocationFallback   = "operator.targetallocator.fallbackstrategy"
)

// gates say of each gate what comes of it here, or why nothing does, and whether
// it is open.
var gates = map[string]struct {
	open           bool
	help, noEffect string
}{
	operandNetworkPolicy: {false, "network policies for collectors and target allocators that do not say whether they want one; closed, unlike in opentelemetry-operator", ""},
	allocationFallback:   {false, "target allocators place by consistent hashing what they cannot place by node", ""},

	"operator.golang.flags":                       {true, "", "GOMEMLIMIT and GOMAXPROCS are always set"},
	"operator.collector.usedefaulttelemetryshape": {true, "", "the telemetry reader always has its own defaults"},
	"operator.networkpolicy":                      {false, "", "signalbox install --set operator.networkPolicy=true prints one for the operator"},
	"operator.clusterobservability":               {false, "", "there is no ClusterObservability"},
}

func setGates(s *Settings, v []string) error {
	var names []string
	_ = words(func(*Settings) *[]string { return &names })(s, v) // cannot fail
	for _, name := range names {
		name, closed := strings.CutPrefix(strings.TrimPrefix(name, "+"), "-")
		if name == "" {
			return errors.New("got a sign without a name; want names of gates, separated by commas")
		}
		gate, known := gates[name]
		switch {
		case !known:
			s.Warnings = append(s.Warnings, "feature gate "+name+" is not known and is ignored")
		case name == operandNetworkPolicy:
			s.Gates.OperandNetworkPolicy = !closed
		case name == allocationFallback:
			s.Gates.AllocationFallback = !closed
		case gate.open == closed:
			s.Warnings = append(s.Warnings, "feature gate "+name+" is accepted, without effect: "+gate.noEffect)
		}
	}
	return nil
}

// gateNames are the names of all gates, sorted.
func gateNames() []string { return slices.Sorted(maps.Keys(gates)) }
