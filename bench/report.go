package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
)

// report is what one run leaves behind: the figures and what they were measured on.
type report struct {
	Date     time.Time         `json:"date"`
	Commit   string            `json:"commit"`
	Quick    bool              `json:"quick"`
	Machine  machine           `json:"machine"`
	Versions map[string]string `json:"versions"`
	Figures  []figure          `json:"figures"`
}

type machine struct {
	Cores       int    `json:"cores"`
	CPU         string `json:"cpu"`
	MemoryBytes int64  `json:"memoryBytes"`
	OS          string `json:"os"`
}

func (l *lab) newReport(ctx context.Context) (*report, error) {
	r := &report{
		Date: time.Now().UTC().Truncate(time.Second), Commit: commit(ctx), Quick: l.quick,
		Machine:  machine{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH},
		Versions: map[string]string{"go": runtime.Version()},
	}
	r.Machine.CPU, r.Machine.MemoryBytes = hardware()
	built, err := buildinfo.ReadFile(l.binary)
	if err != nil {
		return nil, fmt.Errorf("read the versions of portico: %w", err)
	}
	names := map[string]string{
		"github.com/99designs/gqlgen": "gqlgen", "github.com/jackc/pgx/v5": "pgx", "github.com/riverqueue/river": "river",
	}
	for _, module := range built.Deps {
		if name := names[module.Path]; name != "" {
			r.Versions[name] = module.Version
		}
	}
	var version string
	err = l.administer(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select split_part(current_setting('server_version'), ' ', 1)`).Scan(&version)
	})
	r.Versions["postgres"] = version
	return r, err
}

// commit is that of the working tree, marked when files have changed since.
func commit(ctx context.Context) string {
	output, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(output))
}

func (r *report) add(name string, figures []figure) {
	for _, f := range figures {
		f.Case = name
		r.Figures = append(r.Figures, f)
	}
}

func (r *report) print(out io.Writer) error {
	var page bytes.Buffer
	m := r.Machine
	fmt.Fprintf(&page, "\n%s, commit %s; %d x %s, %.0f GiB, %s; Go %s, Postgres %s, River %s, gqlgen %s, pgx %s\n\n",
		r.Date.Format(time.RFC3339), r.Commit, m.Cores, m.CPU, float64(m.MemoryBytes)/(1<<30), m.OS, strings.TrimPrefix(r.Versions["go"], "go"),
		r.Versions["postgres"], r.Versions["river"], r.Versions["gqlgen"], r.Versions["pgx"])
	if r.Quick {
		page.WriteString("A quick run: it shows that the cases work. Its numbers mean nothing.\n\n")
	}
	table := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "case\tfigure\tvalue\tunit\tbudget\tmet\tnote")
	for _, f := range r.Figures {
		bound, met := "", ""
		if f.Budget != nil {
			bound, met = f.Budget.String(), "no"
			if *f.Met {
				met = "yes"
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Case, f.Name, number(f.Value), f.Unit, bound, met, f.Note)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := page.WriteTo(out)
	return err
}

func (r *report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}
