package main

import (
	"fmt"
	"io"
	"slices"
)

// shown is how many of a rule's violations are printed.
const shown = 8

// report is what a run has found.
type report struct {
	killed int
	rules  []ruling
	facts  [][2]string
}

// ruling is a rule and what violates it.
type ruling struct {
	sentence   string
	violations []string
}

func (r *report) rule(sentence string, violations []string) {
	slices.Sort(violations)
	r.rules = append(r.rules, ruling{sentence, violations})
}

// more adds to what violates a rule that is asked for in several places.
func (r *report) more(sentence string, violations []string) {
	i := slices.IndexFunc(r.rules, func(one ruling) bool { return one.sentence == sentence })
	if i < 0 {
		r.rule(sentence, violations)
		return
	}
	r.rules[i].violations = append(r.rules[i].violations, violations...)
	slices.Sort(r.rules[i].violations)
}

func (r *report) fact(name, value string) { r.facts = append(r.facts, [2]string{name, value}) }

// held tells whether no rule was violated.
func (r *report) held() bool { return len(r.violated()) == 0 }

// violated are the sentences of the rules that were.
func (r *report) violated() []string {
	var sentences []string
	for _, rule := range r.rules {
		if len(rule.violations) > 0 {
			sentences = append(sentences, rule.sentence)
		}
	}
	return sentences
}

func (r *report) write(w io.Writer) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	p("")
	for _, fact := range r.facts {
		p("  %-14s %s", fact[0], fact[1])
	}
	p("")
	for _, rule := range r.rules {
		if len(rule.violations) == 0 {
			p("  holds     %s", rule.sentence)
			continue
		}
		p("  VIOLATED  %s: %d times", rule.sentence, len(rule.violations))
		for i, violation := range rule.violations {
			if i == shown {
				p("              and %d more", len(rule.violations)-shown)
				break
			}
			p("              %s", violation)
		}
	}
	if r.held() {
		p("\n  PASS: killed %d times, and every rule holds", r.killed)
	} else {
		p("\n  FAIL: killed %d times, and %d of %d rules are violated", r.killed, len(r.violated()), len(r.rules))
	}
}
