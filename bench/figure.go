package main

import (
	"fmt"
	"slices"
)

// figure is one measured number.
type figure struct {
	Case   string    `json:"case"`
	Name   string    `json:"name"`
	Value  float64   `json:"value"`
	Unit   string    `json:"unit"`
	Rounds []float64 `json:"rounds,omitempty"` // what the value is the median of
	Budget *budget   `json:"budget,omitempty"`
	Met    *bool     `json:"met,omitempty"`
	Note   string    `json:"note,omitempty"`
}

// budget is a bound of DESIGN section 9. Exactly one side is given.
type budget struct {
	AtLeast *float64 `json:"atLeast,omitempty"`
	AtMost  *float64 `json:"atMost,omitempty"`
}

func (b *budget) met(value float64) bool {
	if b.AtLeast != nil {
		return value >= *b.AtLeast
	}
	return value <= *b.AtMost
}

func (b *budget) String() string {
	if b.AtLeast != nil {
		return "at least " + number(*b.AtLeast)
	}
	return "at most " + number(*b.AtMost)
}

// of is a figure with the median of its rounds.
func of(name, unit string, rounds ...float64) figure {
	f := figure{Name: name, Unit: unit, Value: median(rounds)}
	if len(rounds) > 1 {
		f.Rounds = rounds
	}
	return f
}

func (f figure) atLeast(bound float64) figure { return f.held(&budget{AtLeast: &bound}) }
func (f figure) atMost(bound float64) figure  { return f.held(&budget{AtMost: &bound}) }

func (f figure) held(b *budget) figure {
	met := b.met(f.Value)
	f.Budget, f.Met = b, &met
	return f
}

func (f figure) because(format string, args ...any) figure {
	f.Note = fmt.Sprintf(format, args...)
	return f
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// ratios divides round by round: two sides of one round met the same machine.
func ratios(numerators, denominators []float64) []float64 {
	quotients := make([]float64, len(numerators))
	for i := range numerators {
		quotients[i] = numerators[i] / denominators[i]
	}
	return quotients
}

// column picks one number of every result.
func column[T any](results []T, pick func(T) float64) []float64 {
	numbers := make([]float64, len(results))
	for i, r := range results {
		numbers[i] = pick(r)
	}
	return numbers
}

// alternate runs the sides in turn, round after round and in changing order, so that whatever else the machine does meets all of them.
// It returns the results of each side.
func alternate[T any](rounds int, sides ...func() (T, error)) ([][]T, error) {
	results := make([][]T, len(sides))
	for round := range rounds {
		for n := range sides {
			i := n
			if round%2 == 1 {
				i = len(sides) - 1 - n
			}
			result, err := sides[i]()
			if err != nil {
				return nil, err
			}
			results[i] = append(results[i], result)
		}
	}
	return results, nil
}

// number shows three digits that count, more before the point.
func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}
