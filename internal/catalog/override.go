package catalog

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"portico/internal/fault"
)

// Entitled is what a subscription includes at an instant of its own time: the features of its plan (the column plan.features), with the
// subscription's overrides (the column subscription.feature_overrides) in place of those that they name. Access, launch tokens, webhooks and
// usage all ask here. An override counts until it ends, and while the plan has a feature of that name whose kind it fits.
func Entitled(plan, overrides json.RawMessage, now time.Time) (Features, error) {
	features, err := ReadFeatures(plan)
	if err != nil || len(overrides) == 0 {
		return features, err
	}
	own, err := ReadFeatures(overrides)
	if err != nil {
		return nil, err
	}
	for i, feature := range features {
		override := own.Named(feature.Name)
		if !override.Kind.fits(feature.Kind) || override.ended(now) {
			continue
		}
		override.Reset, override.Overridden = feature.Reset, true
		features[i] = override
	}
	return features, nil
}

// fits tells whether a value of this kind can take the place of one of the other.
func (k FeatureKind) fits(other FeatureKind) bool {
	return k == other || (k.counts() && other.counts())
}

func (f Feature) ended(now time.Time) bool { return f.ExpiresAt != nil && !now.Before(*f.ExpiresAt) }

// OverrideInput is a value to be that a subscription has in place of its plan's, for good or until an instant of the subscription's time.
type OverrideInput struct {
	Name      string
	Kind      FeatureKind
	Enabled   *bool
	Limit     *int64
	Text      *string
	ExpiresAt *time.Time
}

// Override gives the column subscription.feature_overrides (nil for none) as it is to be: what is set replaces what is there of that name,
// what is unset goes, and so does what has ended. Faults name the fields set and unset. What is set must be in the plan, with a kind
// that fits: FEATURE_NOT_IN_PLAN and INVALID.
func Override(plan, overrides json.RawMessage, set []OverrideInput, unset []string, now time.Time) (json.RawMessage, error) {
	features, err := ReadFeatures(plan)
	if err != nil {
		return nil, err
	}
	own, err := ReadFeatures(overrides)
	if err != nil {
		return nil, err
	}
	given, err := checkOverrides(features, set, unset, now)
	if err != nil {
		return nil, err
	}
	own = slices.DeleteFunc(own, func(f Feature) bool {
		return f.ended(now) || slices.Contains(unset, f.Name) || given.Named(f.Name).Kind != ""
	})
	return append(own, given...).overrides()
}

// WithoutEnded gives the column subscription.feature_overrides (nil for none) without the overrides that have ended.
func WithoutEnded(overrides json.RawMessage, now time.Time) (json.RawMessage, error) {
	own, err := ReadFeatures(overrides)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(own, func(f Feature) bool { return f.ended(now) }).overrides()
}

func (f Features) overrides() (json.RawMessage, error) {
	if len(f) == 0 {
		return nil, nil
	}
	return f.stored()
}

func checkOverrides(plan Features, set []OverrideInput, unset []string, now time.Time) (Features, error) {
	var check fault.Check
	if len(set)+len(unset) == 0 {
		check.Add(fault.New(fault.CodeRequired, "set", "give what to set, or what to unset"))
	}
	if len(unset) > maxFeatures {
		check.Add(fault.Invalid("unset", "must be at most %d", maxFeatures))
	}
	inputs := make([]FeatureInput, len(set))
	for i, in := range set {
		inputs[i] = FeatureInput{Name: in.Name, Kind: in.Kind, Enabled: in.Enabled, Limit: in.Limit, Text: in.Text}
	}
	given := checkList(&check, "set", inputs)
	if given == nil {
		return nil, check.Err()
	}
	for i, in := range set {
		field := fmt.Sprintf("set.%d", i)
		of := plan.Named(in.Name)
		switch {
		case slices.Contains(unset, in.Name):
			check.Add(fault.Invalid(field+".name", "is to be unset as well"))
		case of.Kind == "":
			check.Add(fault.New(fault.CodeFeatureNotInPlan, field+".name", "the plan has no such feature"))
		case !in.Kind.fits(of.Kind):
			check.Add(fault.Invalid(field+".kind", "does not fit the plan's, which is %s", of.Kind))
		}
		if in.ExpiresAt != nil && !in.ExpiresAt.After(now) {
			check.Add(fault.Invalid(field+".expiresAt", "must be later than the subscription's time, %s", now.UTC().Format(time.RFC3339)))
		}
		for j := range given {
			if given[j].Name == in.Name {
				given[j].ExpiresAt = in.ExpiresAt
			}
		}
	}
	return given, check.Err()
}
