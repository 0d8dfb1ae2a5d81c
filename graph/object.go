package graph

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// This file is what the generated code runs on where graph/internal/lean has rewritten it.

// outline is what an operation asks of the objects of one type at one place: the fields in their order, each alias once.
type outline struct {
	fields []graphql.CollectedField
	keys   []string // what is written before each value; empty for a field that was written under its alias before
}

// place names a outline: a selection set and, by the list of what the type satisfies, a type.
type place struct {
	selections *ast.Selection
	count      int
	satisfies  *string
}

// outlines are those of one document, or of one operation where @skip and @include make a difference. Objects of a list have the same, so that
// it is made for the first of them.
type outlines struct {
	mu   sync.RWMutex
	made map[place]*outline
}

func (s *outlines) at(operation *graphql.OperationContext, set ast.SelectionSet, satisfies []string) *outline {
	if len(set) == 0 {
		return &outline{}
	}
	here := place{&set[0], len(set), &satisfies[0]}
	s.mu.RLock()
	made, known := s.made[here]
	s.mu.RUnlock()
	if known {
		return made
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Another may have made it meanwhile, and what is below it is known by its selections.
	if made, known = s.made[here]; !known {
		made = newOutline(graphql.CollectFields(operation, set, satisfies))
		if s.made == nil {
			s.made = map[place]*outline{}
		}
		s.made[here] = made
	}
	return made
}

func newOutline(fields []graphql.CollectedField) *outline {
	s := &outline{fields: fields, keys: make([]string, len(fields))}
	written := make(map[string]bool, len(fields))
	for i, field := range fields {
		if !written[field.Alias] {
			s.keys[i] = `"` + field.Alias + `":` // a name has nothing to escape
			if i > 0 {
				s.keys[i] = "," + s.keys[i]
			}
			written[field.Alias] = true
		}
	}
	return s
}

// object is one object of an answer: graphql.FieldSet without deferred fields, which no document may have.
type object struct {
	*outline

	Values   []graphql.Marshaler
	Invalids uint32 // how many values are null that must not be
	delayed  []delayedField
}

type delayedField struct {
	index int
	value func(context.Context) graphql.Marshaler
}

func (ec *executionContext) newObject(set ast.SelectionSet, satisfies []string) *object {
	s := ec.outlines.at(ec.OperationContext, set, satisfies)
	return &object{outline: s, Values: make([]graphql.Marshaler, len(s.fields))}
}

// Concurrently leaves a value to Dispatch.
func (o *object) Concurrently(index int, value func(context.Context) graphql.Marshaler) {
	o.delayed = append(o.delayed, delayedField{index, value})
}

// Dispatch gets the values that were left to it, all at the same time.
func (o *object) Dispatch(ctx context.Context) {
	if len(o.delayed) == 0 {
		return
	}
	var others sync.WaitGroup
	for _, field := range o.delayed[1:] {
		others.Go(func() { o.Values[field.index] = field.value(ctx) })
	}
	first := o.delayed[0]
	o.Values[first.index] = first.value(ctx)
	others.Wait()
}

// MarshalGQL writes the object as JSON.
func (o *object) MarshalGQL(w io.Writer) {
	_, _ = io.WriteString(w, "{")
	for i, value := range o.Values {
		if key := o.keys[i]; key != "" {
			_, _ = io.WriteString(w, key)
			value.MarshalGQL(w)
		}
	}
	_, _ = io.WriteString(w, "}")
}

// within is the context of a field below which an answer may go on, so that errors there know their path.
func within(ctx context.Context, typename string, field graphql.CollectedField) context.Context {
	return graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: typename, Field: field})
}

// rescue makes null of a field that panics. To be deferred.
func (ec *executionContext) rescue(ctx context.Context, value *graphql.Marshaler) {
	if recovered := recover(); recovered != nil {
		ec.Error(ctx, ec.Recover(ctx, recovered))
		*value = graphql.Null
	}
}

// rescueLeaf is rescue for a field that has no context of its own.
func (ec *executionContext) rescueLeaf(ctx context.Context, typename string, field *graphql.CollectedField, value *graphql.Marshaler) {
	if recovered := recover(); recovered != nil {
		ctx = within(ctx, typename, *field)
		ec.Error(ctx, ec.Recover(ctx, recovered))
		*value = graphql.Null
	}
}

// refused makes null of a field that cannot be had.
func (ec *executionContext) refused(ctx context.Context, err error) graphql.Marshaler {
	ec.Error(ctx, graphql.AddFieldLocationToError(ctx, err))
	return graphql.Null
}

// inTurn makes the elements of a list of objects one after the other. That they do not wait for one another's reads is the business of
// siblings, which read for all elements when the first asks. The list is empty if one of them panics outside its fields.
func inTurn(ctx context.Context, length int, element func(context.Context, int) graphql.Marshaler) graphql.Array {
	list := make(graphql.Array, length)
	indices, places, broken := make([]int, length), make([]graphql.FieldContext, length), false
	for i := range list {
		indices[i] = i
		places[i].Index = &indices[i]
		inPlace(graphql.WithFieldContext(ctx, &places[i]), func(ctx context.Context) { list[i] = element(ctx, i) }, &broken)
	}
	if broken {
		return nil
	}
	return list
}

func inPlace(ctx context.Context, do func(context.Context), broken *bool) {
	defer func() {
		if recovered := recover(); recovered != nil {
			graphql.AddError(ctx, graphql.Recover(ctx, recovered))
			*broken = true
		}
	}()
	do(ctx)
}

// text is a string of an answer.
type text string

// MarshalGQL writes the text as JSON does, with nothing escaped that need not be.
func (t text) MarshalGQL(w io.Writer) {
	buffer, direct := w.(*bytes.Buffer)
	if !direct {
		buffer = new(bytes.Buffer)
	}
	quoted := append(buffer.AvailableBuffer(), '"')
	const hex = "0123456789ABCDEF"
	start := 0
	for i := range len(t) {
		c := t[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		quoted = append(quoted, t[start:i]...)
		switch c {
		case '"', '\\':
			quoted = append(quoted, '\\', c)
		case '\t':
			quoted = append(quoted, `\t`...)
		case '\r':
			quoted = append(quoted, `\r`...)
		case '\n':
			quoted = append(quoted, `\n`...)
		default:
			quoted = append(quoted, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		start = i + 1
	}
	quoted = append(append(quoted, t[start:]...), '"')
	_, _ = w.Write(quoted)
}
