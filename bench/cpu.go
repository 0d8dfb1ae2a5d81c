package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// meter tells the CPU time of groups of processes: Postgres with all its children, and whoever else takes part.
type meter struct {
	read map[string]func() (time.Duration, error)
}

// usage is CPU time by group.
type usage map[string]time.Duration

// meter counts Postgres and the given processes; those with the same label are one group.
func (l *lab) meter(processes ...*process) meter {
	m := meter{read: map[string]func() (time.Duration, error){"postgres": func() (time.Duration, error) { return treeCPU(l.postmaster) }}}
	for _, p := range processes {
		m.add(p.label, p.cmd.Process.Pid)
	}
	return m
}

// withSelf counts this process as well, for cases in which it does some of the work.
func (m meter) withSelf() meter {
	m.add("bench", os.Getpid())
	return m
}

func (m meter) add(label string, pid int) {
	others := m.read[label]
	m.read[label] = func() (time.Duration, error) {
		sum, err := ownCPU(pid)
		if err == nil && others != nil {
			var more time.Duration
			more, err = others()
			sum += more
		}
		return sum, err
	}
}

func (m meter) now() (usage, error) {
	u := usage{}
	for label, read := range m.read {
		spent, err := read()
		if err != nil {
			return nil, fmt.Errorf("read the CPU time of %s: %w", label, err)
		}
		u[label] = spent
	}
	return u, nil
}

// during is what the groups use while work runs.
func (m meter) during(work func() error) (usage, error) {
	before, err := m.now()
	if err != nil {
		return nil, err
	}
	if err := work(); err != nil {
		return nil, err
	}
	after, err := m.now()
	if err != nil {
		return nil, err
	}
	for label := range after {
		after[label] -= before[label]
	}
	return after, nil
}

// perUnit is the CPU time for one of n units of work, in microseconds, all groups together.
func (u usage) perUnit(n int) float64 {
	var sum time.Duration
	for _, spent := range u {
		sum += spent
	}
	return float64(sum.Microseconds()) / float64(n)
}

// byGroup is the same for each group.
func (u usage) byGroup(n int) map[string]float64 {
	groups := make(map[string]float64, len(u))
	for label, spent := range u {
		groups[label] = float64(spent.Microseconds()) / float64(n)
	}
	return groups
}

// split says which group uses how much of it.
func (u usage) split(n int) string {
	var labels []string
	for label := range u {
		labels = append(labels, label)
	}
	slices.Sort(labels)
	for i, label := range labels {
		labels[i] = label + " " + number(float64(u[label].Microseconds())/float64(n))
	}
	return strings.Join(labels, ", ")
}
