package verify

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Violations is the sum over all results.
func Violations(results []Result) int64 {
	var n int64
	for _, r := range results {
		n += r.Violations
	}
	return n
}

// Print writes a line per result for people, and a summary.
func Print(w io.Writer, results []Result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	violated := 0
	for _, r := range results {
		if r.Violations > 0 {
			violated++
		}
		line := fmt.Sprintf("%d\t%s\t%d", r.Invariant, r.Name, r.Violations)
		if r.Noted > 0 {
			line += fmt.Sprintf("  noted: %d", r.Noted)
		}
		if len(r.Examples) > 0 {
			line += "  " + strings.Join(r.Examples, ", ")
		}
		if int64(len(r.Examples)) < r.Violations+r.Noted {
			line += " …"
		}
		if _, err := fmt.Fprintln(table, line); err != nil {
			return err
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	summary := "everything holds"
	if violated > 0 {
		summary = fmt.Sprintf("%d violated, %d violations", violated, Violations(results))
	}
	_, err := fmt.Fprintf(w, "\n%d checks: %s\n", len(results), summary)
	return err
}

// PrintJSON writes one object for scripts: checks, violations, and results as they are.
func PrintJSON(w io.Writer, results []Result) error {
	return json.NewEncoder(w).Encode(struct {
		Checks     int      `json:"checks"`
		Violations int64    `json:"violations"`
		Results    []Result `json:"results"`
	}{len(results), Violations(results), results})
}
