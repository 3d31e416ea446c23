package migrate

// manifest is a file of Kubernetes documents at work.
type manifest struct{}

func legacyPortInDocuments(*manifest) {}

var documentRules []Rule

func flagRules() []Rule { return nil }
func gateRules() []Rule { return nil }
