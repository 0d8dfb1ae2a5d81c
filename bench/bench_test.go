package main

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be the program in its other roles, which the cases start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles()[os.Args[1]] != nil {
		main()
		return
	}
	os.Exit(m.Run())
}

func quickLab(t *testing.T) *lab {
	t.Helper()
	l, err := newLab(t.Context(), &options{quick: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.close(context.Background())) })
	return l
}

func TestEveryCaseRunsAndYieldsItsFigures(t *testing.T) {
	t.Parallel()
	l := quickLab(t)
	budgets := map[string]int{"sweep": 2, "renew": 1, "access": 3, "tenancy": 1, "launch": 1, "accesstoken": 0, "deliver": 3, "failing": 3, "pace": 2, "memory": 1, "start": 0}
	r, err := l.newReport(t.Context())
	require.NoError(t, err)
	for _, c := range cases() {
		if c.name == "peers" {
			continue // it installs 290 MB of packages, which would be most of what make test does
		}
		t.Run(c.name, func(t *testing.T) { //nolint:tparallel // cases have the machine to themselves
			figures, err := c.run(t.Context(), l)
			require.NoError(t, err)
			r.add(c.name, figures)
			names, held := map[string]bool{}, 0
			for _, f := range figures {
				require.False(t, names[f.Name], "two figures are called %s", f.Name)
				names[f.Name] = true
				require.NotEmpty(t, f.Unit)
				require.False(t, math.IsNaN(f.Value) || math.IsInf(f.Value, 0) || f.Value < 0, "%s is %f", f.Name, f.Value)
				if f.Budget != nil {
					held++
				}
			}
			require.Equal(t, budgets[c.name], held, "figures with a budget")
		})
	}
	path := filepath.Join(t.TempDir(), "figures", "bench.json")
	require.NoError(t, r.write(path))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var read report
	require.NoError(t, json.Unmarshal(text, &read))
	require.Len(t, read.Figures, len(r.Figures))
	require.NotEmpty(t, read.Commit)
	for _, name := range []string{"go", "postgres", "river", "gqlgen", "pgx"} {
		require.NotEmpty(t, read.Versions[name], name)
	}
}

func TestPreparedDataHoldsEveryInvariantAndFallsDueAsTheClockSays(t *testing.T) {
	t.Parallel()
	l := quickLab(t)
	d, err := l.clone(t.Context(), l.small)
	require.NoError(t, err)
	defer d.drop(t.Context())
	pool, err := openPool(t.Context(), d.url)
	require.NoError(t, err)
	defer pool.Close()
	require.NoError(t, check(t.Context(), pool))
	for _, n := range []int{1, 2, 500, l.small} {
		var due int
		at := dueAt(l.small, n)
		require.NoError(t, pool.System().QueryRow(t.Context(), `select count(*) from subscription where bill_at <= $1`, at).Scan(&due))
		require.Equal(t, n, due)
	}

	first, err := l.template(t.Context(), l.small)
	require.NoError(t, err)
	again, err := l.template(t.Context(), l.small)
	require.NoError(t, err)
	require.Equal(t, first, again, "data is made once")
}

func TestAnUnknownCaseIsRefusedByName(t *testing.T) {
	t.Parallel()
	var o options
	require.ErrorContains(t, o.parse([]string{"-case", "sweep,sleep"}), `there is no case "sleep"`)
	require.NoError(t, (&options{}).parse([]string{"-case", "sweep, renew"}))
}

func TestTheTableSaysWhichBudgetsAreMet(t *testing.T) {
	t.Parallel()
	r := &report{Date: time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC), Versions: map[string]string{"go": "go1.26"}}
	r.add("sweep", []figure{
		of("renewals", "renewals/s", 9000, 12_000, 10_500).atLeast(10_000),
		of("CPU", "times", 1.51).atMost(1.5).because("of %d rounds", 1),
		of("nobody asked", "s", 0.25),
	})
	var page strings.Builder
	require.NoError(t, r.print(&page))
	rows := map[string][]string{}
	for line := range strings.Lines(page.String()) {
		if fields := strings.Fields(line); strings.HasPrefix(line, "sweep") {
			rows[fields[1]] = fields[2:]
		}
	}
	require.Equal(t, []string{"10500", "renewals/s", "at", "least", "10000", "yes"}, rows["renewals"])
	require.Equal(t, []string{"1.51", "times", "at", "most", "1.50", "no", "of", "1", "rounds"}, rows["CPU"])
	require.Equal(t, []string{"asked", "0.250", "s"}, rows["nobody"])
}

func TestSidesTakeTurnsInChangingOrder(t *testing.T) {
	t.Parallel()
	var order strings.Builder
	side := func(name string, value float64) func() (float64, error) {
		return func() (float64, error) {
			order.WriteString(name)
			return value, nil
		}
	}
	results, err := alternate(3, side("a", 6), side("b", 3))
	require.NoError(t, err)
	require.Equal(t, "abbaab", order.String())
	require.Equal(t, []float64{2, 2, 2}, ratios(results[0], results[1]))
}

func TestTheMedianIsTheMiddle(t *testing.T) {
	t.Parallel()
	require.Equal(t, 2.0, median([]float64{3, 1, 2}))
	require.Equal(t, 2.5, median([]float64{4, 1, 2, 3}))
	require.Zero(t, median(nil))
}

func TestAnswersAgreeWhateverTheirShape(t *testing.T) {
	t.Parallel()
	ours, err := scalars([]byte(`{"data": {"access": {"until": "2100-03-05T17:34:04Z", "seats": 1, "tier": "pro", "features": {"a": 1}}}, "extensions": {"cost": 2}}`))
	require.NoError(t, err)
	require.Equal(t, []string{"1", "2100-03-05T17:34:04Z", "pro"}, ours)
	for _, theirs := range []string{
		`{"data": {"access": {"nodes": [{"tier": "pro", "until": "2100-03-05T17:34:04+00:00", "seats": "1"}]}}}`,
		`{"data": [{"expiresAt": "2100-03-05T18:34:04.000+01:00"}, "pro", 1]}`,
	} {
		said, err := scalars([]byte(theirs))
		require.NoError(t, err)
		require.Equal(t, ours, said, theirs)
	}
	for _, refused := range []string{`{"data": {"access": null}, "errors": [{"message": "no"}]}`, `{"data": null}`} {
		_, err = scalars([]byte(refused))
		require.ErrorContains(t, err, "no answer")
	}
}
