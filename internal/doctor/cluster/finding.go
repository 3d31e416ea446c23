package cluster

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/doctor"
)

// Area is what a finding is about.
type Area string

// The areas, in the order in which they are told: what is above breaks what is
// below.
const (
	Definitions     Area = "definitions"
	Operator        Area = "operator"
	Webhooks        Area = "webhooks"
	Rights          Area = "rights"
	Collectors      Area = "collectors"
	Store           Area = "store"
	Instrumentation Area = "instrumentation"
	Endpoints       Area = "endpoints"
	Scraping        Area = "scraping"
	Network         Area = "network"
	Names           Area = "names"
)

// Code names what was found. Codes are few and stay: scripts look for them.
type Code string

// The codes. What each means is in Finding.Text.
const (
	Unseen Code = "Unseen"
	Fine   Code = "Fine"

	DefinitionMissing Code = "DefinitionMissing"
	DefinitionOld     Code = "DefinitionOld"
	ConversionForeign Code = "ConversionForeign"

	OperatorMissing    Code = "OperatorMissing"
	OperatorForeign    Code = "OperatorForeign"
	OperatorNotReady   Code = "OperatorNotReady"
	CertManagerMissing Code = "CertManagerMissing"

	WebhookMissing     Code = "WebhookMissing"
	WebhookLeftOver    Code = "WebhookLeftOver"
	WebhookUnreachable Code = "WebhookUnreachable"
	CertificateBad     Code = "CertificateBad"
	CertificateOld     Code = "CertificateOld"

	OperatorRights  Code = "OperatorRights"
	CollectorRights Code = "CollectorRights"
	AccountMissing  Code = "AccountMissing"

	CollectorNotReady  Code = "CollectorNotReady"
	AllocatorNotReady  Code = "AllocatorNotReady"
	CollectorUnusable  Code = "CollectorUnusable"
	OldConfiguration   Code = "OldConfiguration"
	OddConfiguration   Code = "OddConfiguration"
	SecretMissing      Code = "SecretMissing"
	GoogleCredentials  Code = "GoogleCredentials"
	StoreNotReady      Code = "StoreNotReady"
	NotInjected        Code = "NotInjected"
	NotRenewed         Code = "NotRenewed"
	AnnotationMisplace Code = "AnnotationMisplaced"
	OtherNamespace     Code = "OtherNamespace"
	NoSidecar          Code = "NoSidecar"
	Refused            Code = "Refused"
	SignalOff          Code = "SignalOff"
	SampledOut         Code = "SampledOut"
	Musl               Code = "Musl"

	NoEndpoint       Code = "NoEndpoint"
	EndpointService  Code = "EndpointService"
	EndpointPort     Code = "EndpointPort"
	EndpointProtocol Code = "EndpointProtocol"
	EndpointNotReady Code = "EndpointNotReady"
	NoPipeline       Code = "NoPipeline"

	ScrapeFails   Code = "ScrapeFails"
	ScrapeNothing Code = "ScrapeNothing"
	PolicyForbids Code = "PolicyForbids"
	NameOther     Code = "NameOther"
	NameMissing   Code = "NameMissing"
)

// Finding is one thing that was found.
type Finding struct {
	Area   Area          `json:"area"`
	Code   Code          `json:"code"`
	Status doctor.Status `json:"status"`
	// Object is what it is about, as kubectl names it: deployment/shop, with its
	// namespace where that is not the one examined.
	Object string `json:"object,omitempty"`
	// Text is a sentence without its end.
	Text string `json:"text"`
	// Fix are the commands that mend it, as a shell takes them; "" where nobody
	// knows.
	Fix string `json:"fix,omitempty"`
}

// bad stops data, odd may be meant, and unseen could not be looked at.
func bad(code Code, object, text, fix string) Finding {
	return Finding{Code: code, Status: doctor.Error, Object: object, Text: text, Fix: fix}
}

func odd(code Code, object, text, fix string) Finding {
	return Finding{Code: code, Status: doctor.Warning, Object: object, Text: text, Fix: fix}
}

func unseen(object, text string) Finding {
	return Finding{Code: Unseen, Status: doctor.Unknown, Object: object, Text: text}
}

func fine(text string) Finding { return Finding{Code: Fine, Status: doctor.OK, Text: text} }

// tools writes commands for the cluster that is examined.
type tools struct {
	// kubeconfig and context are those that the user named, or empty.
	kubeconfig, context string
}

// kubectl is a command of kubectl.
func (t tools) kubectl(args ...string) string {
	return command(slices.Concat([]string{"kubectl"}, t.which(), args)...)
}

func (t tools) which() []string {
	var flags []string
	if t.kubeconfig != "" {
		flags = append(flags, "--kubeconfig", t.kubeconfig)
	}
	if t.context != "" {
		flags = append(flags, "--context", t.context)
	}
	return flags
}

// merge is a command that changes an object. Change is what of it is other.
func (t tools) merge(namespace, object string, change map[string]any) string {
	return t.kubectl("patch", "-n", namespace, object, "--type=merge", "-p", text(change))
}

// apply is a command that applies a manifest.
func (t tools) apply(manifest string) string {
	return t.kubectl("apply", "-f", "-") + " <<'EOF'\n" + strings.TrimSpace(manifest) + "\nEOF"
}

// text is a value as JSON.
func text(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return "" // maps and texts are always JSON
	}
	return string(out)
}

// command is a line for a shell.
func command(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}

// plain are the characters that no shell looks at.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:,@%+"

func quote(w string) string {
	if w != "" && strings.Trim(w, plain) == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

// lines joins commands that follow each other; empty ones are left out, and what
// is there twice.
func lines(commands ...string) string {
	var all []string
	for _, c := range commands {
		if c != "" && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return strings.Join(all, "\n")
}
