package graph

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"portico/internal/account"
)

// Introspection tells who may ask for the schema, and is helped by suggestions of what they may have meant.
type Introspection string

// To whom the schema is shown; the zero value is as authenticated.
const (
	IntrospectionAll           Introspection = "all"
	IntrospectionAuthenticated Introspection = "authenticated"
	IntrospectionOff           Introspection = "off"
)

func (i Introspection) admits(caller account.Caller) bool {
	switch i {
	case IntrospectionAll:
		return true
	case IntrospectionOff:
		return false
	default:
		return caller.Kind != account.KindAnonymous
	}
}

func asksForSchema(field *ast.Field) bool { return field.Name == "__schema" || field.Name == "__type" }

// rules are what a caller's documents are validated by.
func (d *documents) rules(caller account.Caller) *rules.Rules {
	all := rules.NewDefaultRules()
	if d.introspection.admits(caller) {
		return all
	}
	for name, silent := range map[string]core.Rule{
		rules.FieldsOnCorrectTypeRule.Name: rules.FieldsOnCorrectTypeRuleWithoutSuggestions,
		rules.KnownArgumentNamesRule.Name:  rules.KnownArgumentNamesRuleWithoutSuggestions,
		rules.KnownTypeNamesRule.Name:      rules.KnownTypeNamesRuleWithoutSuggestions,
		rules.ScalarLeafsRule.Name:         rules.ScalarLeafsRuleWithoutSuggestions,
		rules.ValuesOfCorrectTypeRule.Name: rules.ValuesOfCorrectTypeRuleWithoutSuggestions,
	} {
		all.ReplaceRule(name, silent.RuleFunc)
	}
	return all
}
