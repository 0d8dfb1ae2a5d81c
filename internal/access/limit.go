package access

import "fmt"

// Feature tells whether the boolean of that name is on. A missing one is off, and so is every one without access.
func (d Decision) Feature(name string) bool { return d.Features.Bool(name) }

// LimitCheck is whether usage may grow, or has been counted.
type LimitCheck struct {
	Allowed    bool
	Limit      int64
	Current    int64
	Error      *string // a sentence for a person when usage may not grow
	UpgradeURL string
}

// Limit tells whether usage may grow beyond current: only from 0 on and while it is below the limit of that name. A missing limit
// is 0, and so is every one without access. Doors refuse a negative current as INVALID.
func (d Decision) Limit(name string, current int64) LimitCheck {
	limit := d.Features.Limit(name)
	check := LimitCheck{Allowed: 0 <= current && current < limit, Limit: limit, Current: current, UpgradeURL: d.UpgradeURL}
	if check.Allowed {
		return check
	}
	sentence := fmt.Sprintf("The plan allows %d for %s.", limit, name)
	switch {
	case !d.Allowed:
		sentence = "There is no active subscription."
	case limit == 0:
		sentence = fmt.Sprintf("The plan does not include %s.", name)
	}
	check.Error = &sentence
	return check
}

// Used is the stored usage of the limit of that name: 0 where nothing has been counted, and in a decision that was made without it.
func (d Decision) Used(name string) int64 { return d.used[name] }
