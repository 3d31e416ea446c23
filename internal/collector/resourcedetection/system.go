package resourcedetection

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/Showmax/go-fqdn"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
)

// systemAttributes are those of detector system, and the defaults.
var systemAttributes = Attributes{
	"host.arch": {}, "host.cpu.cache.l2.size": {}, "host.cpu.family": {}, "host.cpu.model.id": {},
	"host.cpu.model.name": {}, "host.cpu.stepping": {}, "host.cpu.vendor.id": {}, "host.id": {},
	"host.interface": {}, "host.ip": {}, "host.mac": {}, "host.name": {Enabled: true},
	"os.build.id": {}, "os.description": {}, "os.name": {}, "os.type": {Enabled: true}, "os.version": {},
}

// detect asks the operating system.
func (c *SystemConfig) detect(ctx context.Context, to found) error {
	to.put("os.type", osType(runtime.GOOS))
	to.put("host.arch", hostArch(runtime.GOARCH))
	return errors.Join(
		c.hostName(to),
		platform(ctx, to),
		described(ctx, to, "host.id", string(semconv.HostIDKey), resource.WithHostID()),
		described(ctx, to, "os.description", string(semconv.OSDescriptionKey), resource.WithOSDescription()),
		interfaces(to),
		processors(ctx, to),
	)
}

// hostName puts the name of the first source that has one.
func (c *SystemConfig) hostName(to found) error {
	if !to.wants("host.name") {
		return nil
	}
	var errs []error
	for _, source := range c.HostnameSources {
		name, err := hostnameSources[source]()
		if err == nil && name != "" {
			to.put("host.name", name)
			return nil
		}
		if err == nil {
			err = errors.New("it has none")
		}
		errs = append(errs, fmt.Errorf("asking %s for the host's name: %w", source, err))
	}
	return errors.Join(errs...)
}

func osName() (string, error) { return os.Hostname() }

func fullName() (string, error) { return fqdn.FqdnHostname() }

func canonicalName() (string, error) {
	name, err := os.Hostname()
	if err != nil {
		return "", err
	}
	name, err = net.LookupCNAME(name)
	return strings.TrimRight(name, "."), err
}

// reverseName is the name of the first address of the host that has one.
func reverseName() (string, error) {
	name, err := os.Hostname()
	if err != nil {
		return "", err
	}
	addresses, err := net.LookupHost(name)
	if err != nil {
		return "", err
	}
	for _, address := range addresses {
		if names, err := net.LookupAddr(address); err == nil && len(names) > 0 {
			return strings.TrimRight(names[0], "."), nil
		}
	}
	return "", fmt.Errorf("no address of %s has a name", name)
}

// platform puts name, version and build of the operating system.
func platform(ctx context.Context, to found) error {
	if !to.wants("os.name") && !to.wants("os.version") && !to.wants("os.build.id") {
		return nil
	}
	is, err := host.InfoWithContext(ctx)
	if err != nil {
		return fmt.Errorf("asking for the operating system: %w", err)
	}
	to.put("os.name", is.Platform)
	to.put("os.version", is.PlatformVersion)
	to.put("os.build.id", buildID(is.KernelVersion))
	return nil
}

// buildID is BUILD_ID of /etc/os-release, or what there is without that file.
func buildID(kernel string) string {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return kernel
	}
	for line := range strings.Lines(string(release)) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "BUILD_ID="); ok {
			return strings.Trim(id, `"`)
		}
	}
	return ""
}

// described puts an attribute as the SDK finds it.
func described(ctx context.Context, to found, name, key string, option resource.Option) error {
	if !to.wants(name) {
		return nil
	}
	r, err := resource.New(ctx, option)
	if err != nil {
		return fmt.Errorf("asking for %s: %w", name, err)
	}
	for _, a := range r.Attributes() {
		if string(a.Key) == key {
			to.put(name, a.Value.String())
		}
	}
	return nil
}

// interfaces puts the names of all network interfaces, and the addresses of
// those that lead outside.
func interfaces(to found) error {
	if !to.wants("host.interface") && !to.wants("host.ip") && !to.wants("host.mac") {
		return nil
	}
	all, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("listing network interfaces: %w", err)
	}
	var names, ips, macs []string
	for _, i := range all {
		names = append(names, i.Name)
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		if len(i.HardwareAddr) > 0 {
			// The form of the IEEE: hyphens and capitals.
			macs = append(macs, strings.ToUpper(strings.ReplaceAll(i.HardwareAddr.String(), ":", "-")))
		}
		addresses, err := i.Addrs()
		if err != nil {
			return fmt.Errorf("listing addresses of %s: %w", i.Name, err)
		}
		for _, a := range addresses {
			if ip, _, err := net.ParseCIDR(a.String()); err == nil && !ip.IsLoopback() {
				ips = append(ips, ip.String())
			}
		}
	}
	to.putList("host.interface", names)
	to.putList("host.ip", ips)
	to.putList("host.mac", macs)
	return nil
}

// processors puts what the first processor is.
func processors(ctx context.Context, to found) error {
	wanted := false
	for name := range systemAttributes {
		wanted = wanted || strings.HasPrefix(name, "host.cpu.") && to.wants(name)
	}
	if !wanted {
		return nil
	}
	all, err := cpu.InfoWithContext(ctx)
	if err != nil {
		return fmt.Errorf("asking for the processors: %w", err)
	}
	if len(all) == 0 {
		return nil
	}
	is := all[0]
	to.put("host.cpu.vendor.id", is.VendorID)
	to.put("host.cpu.family", is.Family)
	to.put("host.cpu.model.id", is.Model)
	to.put("host.cpu.model.name", is.ModelName)
	to.put("host.cpu.stepping", strconv.Itoa(int(is.Stepping)))
	if to.wants("host.cpu.cache.l2.size") {
		to.attributes.PutInt("host.cpu.cache.l2.size", int64(is.CacheSize))
	}
	return nil
}

// osType is the name that the semantic conventions have for GOOS.
func osType(goos string) string {
	switch goos {
	case "dragonfly":
		return "dragonflybsd"
	case "zos":
		return "z_os"
	}
	return goos
}

// hostArch is the name that the semantic conventions have for GOARCH.
func hostArch(goarch string) string {
	switch goarch {
	case "arm":
		return "arm32"
	case "ppc64le":
		return "ppc64"
	case "386":
		return "x86"
	}
	return goarch
}
