package catalog

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"

	"portico/internal/fault"
)

// Unlimited is the limit that no usage reaches: JavaScript's largest exact integer, so that `current >= limit` works in every
// product that receives it.
const Unlimited int64 = 1<<53 - 1

const (
	maxFeatures          = 100
	maxFeatureTextLength = 1_000
)

// FeatureKind says which value a feature has.
type FeatureKind string

// The kinds of feature.
const (
	FeatureBoolean   FeatureKind = "BOOLEAN"
	FeatureLimit     FeatureKind = "LIMIT"
	FeatureUnlimited FeatureKind = "UNLIMITED"
	FeatureText      FeatureKind = "TEXT"
)

// UsageReset says when the stored usage of a limit begins at 0 again.
type UsageReset string

// The resets of usage.
const (
	ResetNever  UsageReset = "NEVER"  // what there is: employees, projects
	ResetPeriod UsageReset = "PERIOD" // what is done in a period of the subscription: messages, exports
)

// Feature is something a plan includes. Only the value of its kind counts.
type Feature struct {
	Name    string
	Kind    FeatureKind
	Enabled bool       // for BOOLEAN
	Limit   int64      // for LIMIT: usage below it is allowed; for UNLIMITED: Unlimited
	Text    string     // for TEXT
	Reset   UsageReset // for LIMIT and UNLIMITED

	Overridden bool       // the value is the subscription's own instead of the plan's
	ExpiresAt  *time.Time // when the plan's comes back, nil for never
}

// Counts tells whether the feature has usage.
func (f Feature) Counts() bool { return f.Kind.counts() }

func (k FeatureKind) counts() bool { return k == FeatureLimit || k == FeatureUnlimited }

// Features are what a plan includes, each name once, sorted by name.
type Features []Feature

// Object is the plain form that tokens, webhooks and access answers carry: booleans true or false, limits numbers, an unlimited
// one Unlimited, texts strings.
func (f Features) Object() map[string]any {
	object := make(map[string]any, len(f))
	for _, feature := range f {
		switch feature.Kind {
		case FeatureBoolean:
			object[feature.Name] = feature.Enabled
		case FeatureLimit, FeatureUnlimited:
			object[feature.Name] = feature.Limit
		case FeatureText:
			object[feature.Name] = feature.Text
		}
	}
	return object
}

// Bool tells whether the boolean of that name is on. One that is missing, or is no boolean, is off.
func (f Features) Bool(name string) bool {
	feature := f.Named(name)
	return feature.Kind == FeatureBoolean && feature.Enabled
}

// Limit is the limit of that name. One that is missing, or is no limit, is 0.
func (f Features) Limit(name string) int64 {
	feature := f.Named(name)
	if !feature.Counts() {
		return 0
	}
	return feature.Limit
}

// Include tells whether there is anything of the feature of that name: a boolean that is on, a limit above 0, a text.
func (f Features) Include(name string) bool {
	feature := f.Named(name)
	switch feature.Kind {
	case FeatureBoolean:
		return feature.Enabled
	case FeatureLimit, FeatureUnlimited:
		return feature.Limit > 0
	}
	return feature.Kind == FeatureText
}

// Named is the feature of that name, of no kind when there is none.
func (f Features) Named(name string) Feature {
	for _, feature := range f {
		if feature.Name == name {
			return feature
		}
	}
	return Feature{}
}

// FeatureInput is a feature to be. Exactly the value of its kind is given; UNLIMITED has none.
type FeatureInput struct {
	Name    string
	Kind    FeatureKind
	Enabled *bool
	Limit   *int64
	Text    *string
	Reset   *UsageReset // NEVER when nil
}

var featureName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)

// checkList checks the features that a field of the input lists. Nil when there are too many.
func checkList(check *fault.Check, list string, inputs []FeatureInput) Features {
	if len(inputs) > maxFeatures {
		check.Add(fault.Invalid(list, "must be at most %d", maxFeatures))
		return nil
	}
	features := make(Features, len(inputs))
	seen := make(map[string]bool, len(inputs))
	for i, in := range inputs {
		field := fmt.Sprintf("%s.%d", list, i)
		switch {
		case !featureName.MatchString(in.Name):
			check.Add(fault.Invalid(field+".name", "must be up to 64 letters, digits and underscores, starting with a letter"))
		case seen[in.Name]:
			check.Add(fault.Invalid(field+".name", "is given twice"))
		}
		seen[in.Name] = true
		features[i] = in.check(check, field)
	}
	slices.SortFunc(features, func(a, b Feature) int { return cmp.Compare(a.Name, b.Name) })
	return features
}

func (in FeatureInput) check(check *fault.Check, field string) Feature {
	feature := Feature{Name: in.Name, Kind: in.Kind}
	switch in.Kind {
	case FeatureBoolean, FeatureLimit, FeatureText:
	case FeatureUnlimited:
		feature.Limit = Unlimited
	default:
		check.Add(fault.Invalid(field+".kind", "must be BOOLEAN, LIMIT, UNLIMITED or TEXT"))
		return feature
	}
	if value := valueOf(check, field+".enabled", in.Kind, FeatureBoolean, in.Enabled); value != nil {
		feature.Enabled = *value
	}
	if value := valueOf(check, field+".limit", in.Kind, FeatureLimit, in.Limit); value != nil {
		feature.Limit = *value
		if *value < 0 || *value > Unlimited {
			check.Add(fault.Invalid(field+".limit", "must be between 0 and %d", Unlimited))
		}
	}
	if value := valueOf(check, field+".text", in.Kind, FeatureText, in.Text); value != nil {
		feature.Text = *value
		check.Add(checkText(field+".text", *value, maxFeatureTextLength))
	}
	switch {
	case in.Kind.counts():
		feature.Reset = ResetNever
		if in.Reset != nil {
			feature.Reset = *in.Reset
		}
	case in.Reset != nil:
		check.Add(fault.Invalid(field+".reset", "is only for LIMIT and UNLIMITED, and the kind is %s", in.Kind))
	}
	return feature
}

// valueOf is the given value if it belongs to the kind. One that is missing, or belongs to another kind, is a fault.
func valueOf[T any](check *fault.Check, field string, kind, belongsTo FeatureKind, given *T) *T {
	switch {
	case kind == belongsTo && given == nil:
		check.Add(fault.Required(field))
	case kind != belongsTo && given != nil:
		check.Add(fault.Invalid(field, "is only for %s, and the kind is %s", belongsTo, kind))
	case kind == belongsTo:
		return given
	}
	return nil
}

// storedFeature is the form in the column plan.features, an object by name: {"maxEmployees":{"kind":"LIMIT","limit":50}}.
type storedFeature struct {
	Kind    FeatureKind `json:"kind"`
	Enabled *bool       `json:"enabled,omitempty"`
	Limit   *int64      `json:"limit,omitempty"`
	Text    *string     `json:"text,omitempty"`
	Reset   UsageReset  `json:"reset,omitempty"` // nothing is NEVER

	ExpiresAt *time.Time `json:"expiresAt,omitempty"` // of an override
}

func (f Features) stored() (json.RawMessage, error) {
	object := make(map[string]storedFeature, len(f))
	for _, feature := range f {
		stored := storedFeature{Kind: feature.Kind, ExpiresAt: feature.ExpiresAt}
		if feature.Reset != ResetNever {
			stored.Reset = feature.Reset
		}
		switch feature.Kind {
		case FeatureBoolean:
			stored.Enabled = &feature.Enabled
		case FeatureLimit:
			stored.Limit = &feature.Limit
		case FeatureText:
			stored.Text = &feature.Text
		case FeatureUnlimited:
		}
		object[feature.Name] = stored
	}
	return json.Marshal(object)
}

// ReadFeatures reads the column plan.features. Nothing at all is no features.
func ReadFeatures(column json.RawMessage) (Features, error) {
	if len(column) == 0 {
		return nil, nil
	}
	var object map[string]storedFeature
	if err := json.Unmarshal(column, &object); err != nil {
		return nil, fmt.Errorf("read features: %w", err)
	}
	features := make(Features, 0, len(object))
	for name, stored := range object {
		feature := Feature{Name: name, Kind: stored.Kind, ExpiresAt: stored.ExpiresAt}
		switch {
		case stored.Kind == FeatureBoolean && stored.Enabled != nil:
			feature.Enabled = *stored.Enabled
		case stored.Kind == FeatureLimit && stored.Limit != nil:
			feature.Limit = *stored.Limit
		case stored.Kind == FeatureUnlimited:
			feature.Limit = Unlimited
		case stored.Kind == FeatureText && stored.Text != nil:
			feature.Text = *stored.Text
		default:
			return nil, fmt.Errorf("read features: %s has no value of its kind %q", name, stored.Kind)
		}
		if feature.Counts() {
			feature.Reset = cmp.Or(stored.Reset, ResetNever)
		}
		features = append(features, feature)
	}
	slices.SortFunc(features, func(a, b Feature) int { return cmp.Compare(a.Name, b.Name) })
	return features, nil
}
