package migrate

import "go.yaml.in/yaml/v3"

// kubeRules are about the processor that adds what Kubernetes knows of a pod.
var kubeRules = []Rule{
	{
		ID: "k8s-tagger", Group: groupComponents, Severity: Changed, Since: "0.37",
		Old: "processor `k8s_tagger`", New: "`k8sattributes` with the same name, in all pipelines",
		Why: "the processor was renamed",
		apply: func(p *pass) {
			for _, c := range p.parts("processors", "k8s_tagger") {
				id := p.free("processors", withType(c.id, "k8sattributes"), c.id)
				p.rename(c, id)
				p.found(c.key, c.path(), c.id, "processors::"+id)
			}
		},
	},
	{
		ID: "k8sattributes-keys", Group: groupComponents, Severity: Changed,
		Old: "names as `podName` and `deployment` in `extract.metadata` of the processor `k8sattributes`, and `from` and `name` in its `pod_association`",
		New: "`k8s.pod.name`, `k8s.deployment.name` and so on; `sources`. `cluster` goes, as pods do not tell it",
		Why: "fields are named as the attributes that they become, and a pod is found by several sources",
		apply: func(p *pass) {
			for _, c := range p.parts("processors", "k8s_attributes") {
				kubeMetadata(p, c)
				kubeAssociation(p, c)
			}
		},
	},
}

// kubeFields are the fields of metadata by their old names; "" for one that is
// gone.
var kubeFields = map[string]string{
	"podName":    "k8s.pod.name",
	"podUID":     "k8s.pod.uid",
	"deployment": "k8s.deployment.name",
	"namespace":  "k8s.namespace.name",
	"node":       "k8s.node.name",
	"startTime":  "k8s.pod.start_time",
	"cluster":    "",

	"k8s.cluster.name": "",
}

func kubeMetadata(p *pass, c part) {
	n := at(c.body, "extract", "metadata")
	for _, e := range append([]*yaml.Node(nil), list(n)...) {
		old := text(e)
		now, known := kubeFields[old]
		switch {
		case !known:
		case now == "":
			removeElement(n, e)
			p.say(e, Ignored, c.path("extract", "metadata"), old, "", "no pod tells the name of its cluster; set k8s.cluster.name with the processor resource")
		default:
			follow(e).Value = now
			p.found(e, c.path("extract", "metadata"), old, now)
		}
	}
}

func kubeAssociation(p *pass, c part) {
	for _, e := range list(at(c.body, "pod_association")) {
		m := mapping(e)
		from, _ := get(m, "from")
		if from == nil || at(m, "sources") != nil {
			continue
		}
		source := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: from.Line, Content: m.Content}
		m.Content = nil
		set(m, "sources", &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: from.Line, Content: []*yaml.Node{source}})
		p.found(from, c.path("pod_association"), "from: "+text(at(source, "from")), "sources")
	}
}
