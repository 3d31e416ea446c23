package migrate

import "slices"

// Rule is one entry of the migration table.
type Rule struct {
	ID    string
	Group string // the heading under which it is documented
	Old   string // what it finds, as Markdown
	New   string // what becomes of it, as Markdown
	Since string // the release that removed or changed it
	Why   string // what its findings say
	Severity

	// apply works on one configuration; documents on Kubernetes documents before
	// the configurations in them are migrated, and checks after. All are nil for
	// flags and feature gates, which stand in command lines.
	apply     func(*pass)
	documents func(*manifest)
	checks    func(*manifest)
}

// The headings of the table.
const (
	groupComponents  = "Components"
	groupKeys        = "Keys"
	groupTelemetry   = "The telemetry section"
	groupEnvironment = "Environment variables"
	groupNames       = "Names"
	groupPod         = "Defaults in a pod"
	groupLints       = "Likely mistakes"
	groupKubernetes  = "Kubernetes documents"
	groupFlags       = "Flags"
	groupGates       = "Feature gates"
)

// groups are the headings in order.
var groups = []string{
	groupComponents, groupKeys, groupTelemetry, groupEnvironment, groupNames,
	groupPod, groupFlags, groupGates, groupKubernetes, groupLints,
}

// table is every rule for configurations and documents, in the order in which
// they work. Renames come first, so that later rules need to know today's names
// only; lints come last, so that they see what will run.
var table = slices.Concat(
	environmentRules,
	componentRules,
	kubeRules,
	keyRules,
	telemetryRules,
	nameRules,
	podRules,
	lintRules,
	documentRules,
)

// Rules returns the whole table, with the flags and feature gates.
func Rules() []Rule {
	return slices.Concat(table, flagRules(), gateRules())
}
