package resourcedetection

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"cloud.google.com/go/compute/metadata"
	"github.com/GoogleCloudPlatform/opentelemetry-operations-go/detectors/gcp"
	"golang.org/x/oauth2/google"
)

// gcpAttributes are those of detector gcp, and the defaults.
var gcpAttributes = Attributes{
	"cloud.account.id": {Enabled: true}, "cloud.availability_zone": {Enabled: true},
	"cloud.platform": {Enabled: true}, "cloud.provider": {Enabled: true}, "cloud.region": {Enabled: true},
	"faas.instance": {Enabled: true}, "faas.name": {Enabled: true}, "faas.version": {Enabled: true},
	"gcp.cloud_run.job.execution": {Enabled: true}, "gcp.cloud_run.job.task_index": {Enabled: true},
	"gcp.gce.instance.hostname": {}, "gcp.gce.instance.name": {},
	"gcp.gce.instance_group_manager.name":   {Enabled: true},
	"gcp.gce.instance_group_manager.region": {Enabled: true},
	"gcp.gce.instance_group_manager.zone":   {Enabled: true},
	"host.id":                               {Enabled: true}, "host.name": {Enabled: true}, "host.type": {Enabled: true},
	"k8s.cluster.name": {Enabled: true},
}

// gcpDetector asks the environment and the metadata server of Google Cloud.
type gcpDetector struct {
	labels []*regexp.Regexp
	// server is asked whether it is there. The package of the same name has a
	// function for that too, which never changes its mind: on a node that is
	// just starting that would be for ever.
	server *metadata.Client
	cloud  *gcp.Detector
}

func newGCPDetector(c *Config) *gcpDetector {
	g := &gcpDetector{server: metadata.NewClient(nil), cloud: gcp.NewDetector()}
	for _, label := range c.GCP.Labels {
		g.labels = append(g.labels, regexp.MustCompile(label)) // Validate compiled it
	}
	return g
}

// detect finds nothing anywhere else than in Google Cloud.
func (g *gcpDetector) detect(ctx context.Context, to found) error {
	platform := g.cloud.CloudPlatform()
	if platform == gcp.BareMetalSolution {
		to.put("cloud.provider", "gcp")
		to.put("cloud.platform", "gcp_bare_metal_solution")
		return facts{to: to}.
			text("cloud.account.id", g.cloud.BareMetalSolutionProjectID).
			text("host.name", g.cloud.BareMetalSolutionInstanceID).
			text("cloud.region", g.cloud.BareMetalSolutionCloudRegion).
			err()
	}
	if !g.server.OnGCEWithContext(ctx) {
		return nil
	}
	to.put("cloud.provider", "gcp")
	f := facts{to: to}.text("cloud.account.id", g.cloud.ProjectID)
	switch platform {
	case gcp.GKE:
		to.put("cloud.platform", "gcp_kubernetes_engine")
		f = f.place(g.cloud.GKEAvailabilityZoneOrRegion).
			text("k8s.cluster.name", g.cloud.GKEClusterName).
			text("host.id", g.cloud.GKEHostID)
		// With workload identity the node's name is not told.
		if name, err := g.cloud.GCEHostName(); err == nil {
			to.put("host.name", name)
		}
	case gcp.CloudRun, gcp.CloudRunWorkerPool, gcp.CloudFunctions:
		to.put("cloud.platform", "gcp_cloud_run")
		if platform == gcp.CloudFunctions {
			to.put("cloud.platform", "gcp_cloud_functions")
		}
		f = f.function(g.cloud).text("faas.version", g.cloud.FaaSVersion)
	case gcp.CloudRunJob:
		to.put("cloud.platform", "gcp_cloud_run")
		f = f.function(g.cloud).
			text("gcp.cloud_run.job.execution", g.cloud.CloudRunJobExecution).
			text("gcp.cloud_run.job.task_index", g.cloud.CloudRunJobTaskIndex)
	case gcp.AppEngineFlex:
		f = f.appEngine(g.cloud).zone(g.cloud.AppEngineFlexAvailabilityZoneAndRegion)
	case gcp.AppEngineStandard:
		f = f.appEngine(g.cloud).
			text("cloud.availability_zone", g.cloud.AppEngineStandardAvailabilityZone).
			text("cloud.region", g.cloud.AppEngineStandardCloudRegion)
	case gcp.GCE:
		f = f.engine(g.cloud)
		if len(g.labels) > 0 {
			f = f.add(g.instanceLabels(ctx, to))
		}
	}
	return f.err()
}

// facts puts what functions of the cloud's library return, and collects what
// they could not find out.
type facts struct {
	to   found
	errs []error
}

// add collects an error. That the server does not know something is none: it
// will not know it the next time either.
func (f facts) add(err error) facts {
	if _, unknown := errors.AsType[metadata.NotDefinedError](err); err != nil && !unknown {
		f.errs = append(f.errs, err)
	}
	return f
}

func (f facts) err() error { return errors.Join(f.errs...) }

func (f facts) text(name string, ask func() (string, error)) facts {
	if !f.to.wants(name) {
		return f
	}
	value, err := ask()
	if err != nil {
		return f.add(fmt.Errorf("asking for %s: %w", name, err))
	}
	f.to.put(name, value)
	return f
}

// zone puts a zone and its region.
func (f facts) zone(ask func() (string, string, error)) facts {
	zone, region, err := ask()
	if err != nil {
		return f.add(fmt.Errorf("asking for the zone: %w", err))
	}
	f.to.put("cloud.availability_zone", zone)
	f.to.put("cloud.region", region)
	return f
}

// place puts the place of a cluster, which is a zone or a region.
func (f facts) place(ask func() (string, gcp.LocationType, error)) facts {
	place, kind, err := ask()
	if err != nil {
		return f.add(fmt.Errorf("asking for the cluster's location: %w", err))
	}
	if kind == gcp.Zone {
		f.to.put("cloud.availability_zone", place)
		place = place[:strings.LastIndex(place, "-")]
	}
	f.to.put("cloud.region", place)
	return f
}

// function puts what there is to know about a function or a container that
// runs on demand.
func (f facts) function(cloud *gcp.Detector) facts {
	return f.text("faas.name", cloud.FaaSName).
		text("faas.instance", cloud.FaaSID).
		text("cloud.region", cloud.FaaSCloudRegion)
}

func (f facts) appEngine(cloud *gcp.Detector) facts {
	f.to.put("cloud.platform", "gcp_app_engine")
	return f.text("faas.name", cloud.AppEngineServiceName).
		text("faas.version", cloud.AppEngineServiceVersion).
		text("faas.instance", cloud.AppEngineServiceInstance)
}

// engine puts what there is to know about a virtual machine.
func (f facts) engine(cloud *gcp.Detector) facts {
	f.to.put("cloud.platform", "gcp_compute_engine")
	f = f.zone(cloud.GCEAvailabilityZoneAndRegion).
		text("host.type", cloud.GCEHostType).
		text("host.id", cloud.GCEHostID).
		text("host.name", cloud.GCEHostName).
		text("gcp.gce.instance.hostname", cloud.GCEInstanceHostname).
		text("gcp.gce.instance.name", cloud.GCEInstanceName)
	group, err := cloud.GCEManagedInstanceGroup()
	if err != nil {
		return f.add(fmt.Errorf("asking for the instance group: %w", err))
	}
	f.to.put("gcp.gce.instance_group_manager.name", group.Name)
	switch group.Type {
	case gcp.Zone:
		f.to.put("gcp.gce.instance_group_manager.zone", group.Location)
	case gcp.Region:
		f.to.put("gcp.gce.instance_group_manager.region", group.Location)
	}
	return f
}

// instanceLabels puts the labels of the instance whose keys match. The metadata
// server does not tell them; the Compute Engine API does, to service accounts
// with the role compute.viewer.
func (g *gcpDetector) instanceLabels(ctx context.Context, to found) error {
	project, err := g.cloud.ProjectID()
	if err != nil {
		return err
	}
	zone, _, err := g.cloud.GCEAvailabilityZoneAndRegion()
	if err != nil {
		return err
	}
	name, err := g.cloud.GCEInstanceName()
	if err != nil {
		return err
	}
	client, err := google.DefaultClient(ctx, "https://www.googleapis.com/auth/compute.readonly")
	if err != nil {
		return fmt.Errorf("asking for the instance's labels: %w", err)
	}
	var instance struct{ Labels map[string]string }
	address := "https://compute.googleapis.com/compute/v1/projects/" + url.PathEscape(project) +
		"/zones/" + url.PathEscape(zone) + "/instances/" + url.PathEscape(name) + "?fields=labels"
	if err := getJSON(ctx, client, address, &instance); err != nil {
		return fmt.Errorf("asking for the instance's labels: %w", err)
	}
	for key, value := range instance.Labels {
		for _, label := range g.labels {
			if label.MatchString(key) {
				to.attributes.PutStr("gcp.gce.instance.labels."+key, value)
			}
		}
	}
	return nil
}
