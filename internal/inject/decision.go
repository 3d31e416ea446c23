package inject

import corev1 "k8s.io/api/core/v1"

// Kind is what may be injected: a sidecar, or the instrumentation of a language.
type Kind string

// Sidecar is the collector that joins a pod.
const Sidecar Kind = "sidecar"

// Outcome is how a decision ended.
type Outcome string

// The outcomes.
const (
	// Injected pods got what they asked for.
	Injected Outcome = "injected"
	// Unchanged pods have it already, or do not want it.
	Unchanged Outcome = "unchanged"
	// Refused pods cannot have it until somebody changes something.
	Refused Outcome = "refused"
	// Failed decisions are our own: a defect, or no answer in time.
	Failed Outcome = "failed"
)

// Reason is a code for why a decision is as it is. Reasons are labels of metrics
// and names of events, so they are few and stay.
type Reason string

// The reasons. What each means for a user is in Decision.Message.
const (
	AsAsked            Reason = "AsAsked"
	AlreadyInjected    Reason = "AlreadyInjected"
	SwitchedOff        Reason = "SwitchedOff"
	BadName            Reason = "BadName"
	NoneInNamespace    Reason = "NoneInNamespace"
	SeveralInNamespace Reason = "SeveralInNamespace"
	NotFound           Reason = "NotFound"
	NotSidecarMode     Reason = "NotSidecarMode"
	BadConfiguration   Reason = "BadConfiguration"
	ConfigTooLarge     Reason = "ConfigTooLarge"
	WindowsPod         Reason = "WindowsPod"
	PortTaken          Reason = "PortTaken"
	NameTaken          Reason = "NameTaken"
	OutOfLimits        Reason = "OutOfLimits"
	OverQuota          Reason = "OverQuota"
	InvalidPod         Reason = "InvalidPod"
	// Of instrumentation alone:
	UnknownLanguage    Reason = "UnknownLanguage"
	LanguageOff        Reason = "LanguageOff"
	NoImage            Reason = "NoImage"
	BadContainers      Reason = "BadContainers"
	UnnamedContainers  Reason = "UnnamedContainers"
	UnknownContainer   Reason = "UnknownContainer"
	InitContainer      Reason = "InitContainer"
	ValueFromElsewhere Reason = "ValueFromElsewhere"
	OtherAgent         Reason = "OtherAgent"
	BadPlatform        Reason = "BadPlatform"
	NoTarget           Reason = "NoTarget"
	SeveralContainers  Reason = "SeveralContainers"
	ProcessesHidden    Reason = "ProcessesHidden"
	PodSecurity        Reason = "PodSecurity"
	LanguageNamed      Reason = "LanguageNamed"
	NoProbe            Reason = "NoProbe"
	NoEnvFiles         Reason = "NoEnvFiles"
	NoLanguage         Reason = "NoLanguage"
	CrashGuard         Reason = "CrashGuard"
	// Unreached is of pods that the API server does not ask about.
	Unreached Reason = "Unreached"
	Internal  Reason = "Internal"
)

// Decision says what became of one wish of a pod.
type Decision struct {
	Kind    Kind    `json:"kind"`
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason"`
	// Message is a sentence for the pod's owner: what is so, and what to change.
	Message string `json:"message"`
	// Source is the resource that was used, as namespace/name.
	Source string `json:"source,omitempty"`
	// Sum is of what the source means for the kind now: pods that were injected
	// when it was another have an old one.
	Sum string `json:"sum,omitempty"`
	// Containers that were added or changed.
	Containers []string `json:"containers,omitempty"`
}

// Result is a pod after a decision about it.
type Result struct {
	// Pod is the one that was given, itself where nothing changed.
	Pod      *corev1.Pod
	Decision Decision
}

// refused is a decision against injecting; it is an error so that every step
// may come to one.
type refused struct {
	reason  Reason
	message string
}

// Error is the message.
func (r *refused) Error() string { return r.message }
