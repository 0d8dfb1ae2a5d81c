package graph

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"portico/internal/account"
	"portico/internal/page"
)

// The cost of an operation is the number of objects that its answer may hold; what they say of themselves is free. A mutation
// costs more, most of all one that anybody can call: those hash passwords and send mails. So does asking for the schema.
const (
	costOfObject        = 1
	costOfMutation      = 10
	costOfOpenMutation  = 50
	costOfIntrospection = 100
	// freeField tells what is left to spend.
	freeField = "rateLimit"
	// Lists that are not paged, such as the plans of a product, are short in practice.
	assumedLength = 5
)

// expense is the cost of a selection set: once, and for each object of the page when it is the set of a connection.
type expense struct{ once, each int }

func (e *expense) add(other expense) {
	e.once = saturated(e.once + other.once)
	e.each = saturated(e.each + other.each)
}

// bill adds up the cost of a validated operation. The limit on its fields is the limit on the time that takes.
type bill struct{ variables map[string]any }

// costOf is the cost of a validated operation with its variables, before it is executed.
func costOf(operation *ast.OperationDefinition, variables map[string]any) int {
	return bill{variables}.set(operation.SelectionSet).once
}

// actualCost is the cost of an operation by its answer, in JSON: as it was asked for, but with the objects that there are. Those in
// values of the scalar JSON count as well, up to the cost that was asked for.
func actualCost(asked int, operation *ast.OperationDefinition, answer []byte) int {
	return max(min(asked, surcharges(operation.SelectionSet)+objects(answer)-1), 0) // the answer itself is none
}

// objects counts those in a valid JSON text.
func objects(text []byte) int {
	n := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			n++
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		}
	}
	return n
}

// surcharges are what root fields cost whatever they answer.
func surcharges(set ast.SelectionSet) int {
	total := 0
	for _, selection := range set {
		switch selected := selection.(type) {
		case *ast.Field:
			total += max(surcharge(selected), 0)
		case *ast.InlineFragment:
			total += surcharges(selected.SelectionSet)
		case *ast.FragmentSpread:
			total += surcharges(selected.Definition.SelectionSet)
		}
	}
	return total
}

// surcharge is what a field costs beside its objects.
func surcharge(field *ast.Field) int {
	switch {
	case len(field.SelectionSet) == 0:
		return 0
	case isIntrospection(field):
		return costOfIntrospection - costOfObject
	case field.Name == freeField:
		return -costOfObject
	case field.ObjectDefinition.Name != "Mutation":
		return 0
	case slices.Contains(ruleOf(field.Definition).allow, string(account.KindAnonymous)):
		return costOfOpenMutation
	}
	return costOfMutation
}

func (b bill) set(set ast.SelectionSet) expense {
	var total expense
	for _, selection := range set {
		switch selected := selection.(type) {
		case *ast.Field:
			total.add(b.field(selected))
		case *ast.InlineFragment:
			total.add(b.set(selected.SelectionSet))
		case *ast.FragmentSpread:
			total.add(b.set(selected.Definition.SelectionSet))
		}
	}
	return total
}

func (b bill) field(field *ast.Field) expense {
	switch {
	case len(field.SelectionSet) == 0:
		return expense{}
	case isIntrospection(field) || field.Name == freeField:
		return expense{once: costOfObject + surcharge(field)}
	}
	inner := b.set(field.SelectionSet)
	own := saturated(costOfObject + surcharge(field) + inner.once)
	switch {
	case isConnection(field.Definition.Type.Name()):
		return expense{once: saturated(own + b.size(field)*inner.each)}
	case field.Definition.Type.Elem == nil:
		return expense{once: own}
	case isConnection(field.ObjectDefinition.Name):
		return expense{each: own}
	}
	return expense{once: saturated(own * b.length(field))}
}

func isConnection(typename string) bool { return strings.HasSuffix(typename, "Connection") }

// size is how many objects a connection field asks for.
func (b bill) size(field *ast.Field) int {
	size := page.DefaultSize
	switch first := b.argument(field, "first").(type) {
	case int64:
		size = int(min(max(first, 0), math.MaxInt32))
	case json.Number:
		size, _ = strconv.Atoi(first.String())
	}
	// Other sizes are refused.
	return min(max(size, 1), page.MaxSize)
}

// length is how many objects another list may have.
func (b bill) length(field *ast.Field) int {
	if ids, given := b.argument(field, "ids").([]any); given {
		return len(ids)
	}
	return assumedLength
}

func (b bill) argument(field *ast.Field, name string) any {
	argument := field.Arguments.ForName(name)
	if argument == nil {
		return nil
	}
	value, err := argument.Value.Value(b.variables)
	if err != nil {
		return nil // refused by the survey
	}
	return value
}
