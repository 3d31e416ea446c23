package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/inject/verdict"
)

// Folders of an agent for Python that has one for each libc.
const (
	gnuTree  = "/autoinstrumentation/."
	muslTree = "/autoinstrumentation-musl/."
)

// deliver runs the command that copies an agent, where a container uses it, and
// adds its variables once it is there.
func deliver(dir, language string, command []string) verdict.Delivery {
	d := verdict.Delivery{Delivered: language}
	users, err := plans(dir, language)
	if err != nil {
		d.Error = err.Error()
		return d
	}
	if language == verdict.Python {
		if command, d.Failed = byLibc(command, users); len(d.Failed) > 0 {
			d.Error = "the agent's image has a folder for each libc, and the containers of the pod have both"
		}
	}
	if len(users) == 0 {
		return d
	}
	containers := slices.Sorted(maps.Keys(users))
	if said, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		d.Error = strings.TrimSpace(fmt.Sprintf("running %s: %v %s", command[0], err, said))
		d.Failed = append(d.Failed, containers...)
		return d
	}
	for _, container := range containers {
		p := users[container]
		if !slices.Contains(p.Active, language) {
			p.Active = append(p.Active, language)
		}
		if err := p.save(dir, container); err != nil {
			d.Error = err.Error()
			d.Failed = append(d.Failed, container)
			continue
		}
		d.Containers = append(d.Containers, container)
	}
	return d
}

// byLibc makes the command copy the folder for the libc of the containers, where
// the agent has two. One pod has one of them: containers with the other are not
// among the users any more, and returned.
func byLibc(command []string, users map[string]*plan) ([]string, []string) {
	at := slices.Index(command, gnuTree)
	if _, err := os.Stat(muslTree); at < 0 || err != nil {
		return command, nil
	}
	var musl []string
	for container, p := range users {
		if p.Verdict.Libc == verdict.Musl {
			musl = append(musl, container)
		}
	}
	if len(musl) == len(users) {
		command = slices.Clone(command)
		command[at] = muslTree
		return command, nil
	}
	for _, container := range musl {
		delete(users, container)
	}
	slices.Sort(musl)
	return command, musl
}
