package graph

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"portico/internal/page"
)

// The cost of an operation is the number of objects that its answer may hold; what they say of themselves is free. A mutation
// costs more, and so does asking for the schema.
const (
	costOfObject        = 1
	costOfMutation      = 10
	costOfIntrospection = 100
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

// costOf is the cost of a validated operation with its variables.
func costOf(operation *ast.OperationDefinition, variables map[string]any) int {
	b := bill{variables}
	total := b.set(operation.SelectionSet).once
	if operation.Operation == ast.Mutation {
		total += costOfMutation * len(operation.SelectionSet)
	}
	return total
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
	case isIntrospection(field):
		return expense{once: costOfIntrospection}
	}
	inner := b.set(field.SelectionSet)
	own := saturated(costOfObject + inner.once)
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
