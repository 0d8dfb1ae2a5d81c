package access

import (
	"fmt"
	"strings"

	"portico/internal/catalog"
)

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
	sentence := d.refusalOf(name, limit)
	check.Error = &sentence
	return check
}

// refusalOf says why usage of the limit of that name may not grow.
func (d Decision) refusalOf(name string, limit int64) string {
	kind := d.Features.Named(name).Kind
	switch {
	// What was asked about one feature is no answer about another.
	case !d.Allowed && d.Reason != FeatureNotInPlan:
		return capital(d.refused()) + "."
	case kind == catalog.FeatureBoolean:
		return fmt.Sprintf("%s is no limit: it is a BOOLEAN, which is on or off. Ask for it with feature.", name)
	case kind == catalog.FeatureText:
		return fmt.Sprintf("%s is no limit: it is a TEXT. Read it in features.", name)
	case limit == 0 && len(name) > maxFeatureName:
		return "The plan does not include a limit of that name: no name is so long."
	case limit == 0:
		return fmt.Sprintf("The plan does not include %s.", name)
	default:
		return fmt.Sprintf("The plan allows %d for %s.", limit, name)
	}
}

// refused says why there is no access to the product.
func (d Decision) refused() string {
	switch d.Reason {
	case CustomerNotFound:
		return "there is no such customer"
	case SeatNotAssigned:
		return "the company's subscription is for those with a seat, and the customer has none"
	default:
		return "there is no active subscription"
	}
}

func capital(sentence string) string { return strings.ToUpper(sentence[:1]) + sentence[1:] }

// Used is the stored usage of the limit of that name: 0 where nothing has been counted, and in a decision that was made without it.
func (d Decision) Used(name string) int64 { return d.used[name] }
