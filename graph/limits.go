package graph

import (
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Limits bound what one request may ask for.
type Limits struct {
	BodyBytes     int64 // of a POST
	URLBytes      int   // of a GET: proxies and logs are not made for more
	DocumentBytes int
	Tokens        int
	Depth         int // fields within fields; introspection does not count
	Aliases       int // with fragments written out, as the next three
	RootFields    int
	Fields        int
	// Overlaps are pairs of fields that answer under the same key: the validator compares them one by one.
	Overlaps int
	// Cost is that of the objects an operation may show; see cost.go.
	Cost          int
	AnonymousCost int // Cost without a credential
	QueryTime     time.Duration
	MutationTime  time.Duration // longer, because a purchase waits for the payment provider

	Connections       int // that stay open, of a process
	CallerConnections int // of one caller, or of one address that has not said yet who calls
	Operations        int // at once on one WebSocket
	MessageBytes      int64
	// Beat is how often a stream without news shows that it lives, and is looked at for whether its caller is still let in.
	Beat      time.Duration
	WriteTime time.Duration // for which a client may take nothing of what is sent
	InitTime  time.Duration // for which a WebSocket may not say who calls
}

// DefaultLimits leave room for what clients ask in practice.
func DefaultLimits() Limits {
	return Limits{
		BodyBytes: 256 << 10, URLBytes: 8 << 10, DocumentBytes: 16 << 10, Tokens: 1_500, Depth: 12, Aliases: 15, RootFields: 10, Fields: 1_000,
		Overlaps: 10_000, Cost: 1_000, AnonymousCost: 200, QueryTime: 5 * time.Second, MutationTime: 30 * time.Second,
		Connections: 2_000, CallerConnections: 100, Operations: 20, MessageBytes: 256 << 10,
		Beat: 12 * time.Second, WriteTime: 10 * time.Second, InitTime: 10 * time.Second,
	}
}

// shape is what a selection set amounts to with its fragments written out.
type shape struct{ fields, aliases, depth int }

func (s *shape) add(other shape) {
	s.fields = saturated(s.fields + other.fields)
	s.aliases = saturated(s.aliases + other.aliases)
	s.depth = max(s.depth, other.depth)
}

// saturated keeps sums of what doubles with every fragment from overflowing.
func saturated(n int) int { return min(n, 1<<30) }

// survey measures a document before it is validated: some rules of the validator take time that is exponential in the number of
// fragments or quadratic in that of repeated fields, so what is too large must be refused first. Each fragment is measured once.
type survey struct {
	doc       *ast.QueryDocument
	fragments map[string]*shape // nil while it is being measured
	overlaps  int
	refused   *gqlerror.Error
}

// check refuses documents that are over the limits, and what the executor would stumble over.
func (l Limits) check(doc *ast.QueryDocument) *gqlerror.Error {
	s := &survey{doc: doc, fragments: map[string]*shape{}}
	sets := make([]ast.SelectionSet, 0, len(doc.Operations)+len(doc.Fragments))
	for _, fragment := range doc.Fragments {
		s.directives(fragment.Directives)
		if s.fragment(fragment.Name).fields > l.Fields {
			return tooComplex("The fragment %s has more than %d fields.", fragment.Name, l.Fields)
		}
		sets = append(sets, fragment.SelectionSet)
	}
	for _, operation := range doc.Operations {
		s.variables(operation.VariableDefinitions)
		s.directives(operation.Directives)
		roots, total := len(s.flatten(nil, operation.SelectionSet, map[string]bool{})), s.measure(operation.SelectionSet)
		switch {
		case roots > l.RootFields:
			return tooComplex("The operation has %d root fields; %d are allowed.", roots, l.RootFields)
		case total.fields > l.Fields:
			return tooComplex("The operation has more than %d fields.", l.Fields)
		case total.aliases > l.Aliases:
			return tooComplex("The operation has %d aliases; %d are allowed.", total.aliases, l.Aliases)
		case total.depth > l.Depth:
			return tooComplex("The operation is %d levels deep; %d are allowed.", total.depth, l.Depth)
		}
		sets = append(sets, operation.SelectionSet)
	}
	if s.refused != nil {
		return s.refused
	}
	// The number of fields is known to be small from here on.
	for _, set := range sets {
		s.compare([]ast.SelectionSet{set})
		if s.overlaps > l.Overlaps {
			return tooComplex("The operation repeats the same fields too often.")
		}
	}
	return nil
}

func (s *survey) measure(set ast.SelectionSet) shape {
	var total shape
	for _, selection := range set {
		switch selected := selection.(type) {
		case *ast.Field:
			total.add(s.field(selected))
		case *ast.InlineFragment:
			s.directives(selected.Directives)
			total.add(s.measure(selected.SelectionSet))
		case *ast.FragmentSpread:
			s.directives(selected.Directives)
			total.add(s.fragment(selected.Name))
		}
	}
	return total
}

func (s *survey) field(field *ast.Field) shape {
	s.directives(field.Directives)
	for _, argument := range field.Arguments {
		s.literal(argument.Value)
	}
	one := shape{fields: 1}
	one.add(s.measure(field.SelectionSet))
	one.depth++
	if isIntrospection(field) {
		one.depth = 1 // the validator has a rule of its own
	}
	if field.Alias != field.Name {
		one.aliases++
	}
	return one
}

func (s *survey) fragment(name string) shape {
	known, measured := s.fragments[name]
	switch {
	case measured && known == nil:
		s.refuse(badRequest("The fragment %s contains itself.", name))
		return shape{}
	case measured:
		return *known
	}
	s.fragments[name] = nil
	var total shape
	if fragment := s.doc.Fragments.ForName(name); fragment != nil {
		total = s.measure(fragment.SelectionSet)
	}
	s.fragments[name] = &total
	return total
}

// flatten gives the fields of a set, those of its fragments among them.
func (s *survey) flatten(fields []*ast.Field, set ast.SelectionSet, seen map[string]bool) []*ast.Field {
	for _, selection := range set {
		switch selected := selection.(type) {
		case *ast.Field:
			fields = append(fields, selected)
		case *ast.InlineFragment:
			fields = s.flatten(fields, selected.SelectionSet, seen)
		case *ast.FragmentSpread:
			fragment := s.doc.Fragments.ForName(selected.Name)
			if fragment != nil && !seen[selected.Name] {
				seen[selected.Name] = true
				fields = s.flatten(fields, fragment.SelectionSet, seen)
			}
		}
	}
	return fields
}

// compare counts the pairs of fields that answer under one key, in sets whose answers are merged.
func (s *survey) compare(sets []ast.SelectionSet) {
	same := map[string][]ast.SelectionSet{}
	count := map[string]int{}
	for _, set := range sets {
		for _, field := range s.flatten(nil, set, map[string]bool{}) {
			s.overlaps += count[field.Alias]
			count[field.Alias]++
			if len(field.SelectionSet) > 0 {
				same[field.Alias] = append(same[field.Alias], field.SelectionSet)
			}
		}
	}
	for _, merged := range same {
		s.compare(merged)
	}
}

func (s *survey) variables(definitions ast.VariableDefinitionList) {
	for _, definition := range definitions {
		s.directives(definition.Directives)
		s.literal(definition.DefaultValue)
	}
}

func (s *survey) directives(directives ast.DirectiveList) {
	for _, directive := range directives {
		if directive.Name == "defer" {
			s.refuse(badRequest("@defer is not supported."))
		}
		for _, argument := range directive.Arguments {
			s.literal(argument.Value)
		}
	}
}

// literal refuses numbers that Go has no type for. In variables they stay as they are written.
func (s *survey) literal(value *ast.Value) {
	if value == nil {
		return
	}
	var err error
	switch value.Kind {
	case ast.IntValue:
		_, err = strconv.ParseInt(value.Raw, 10, 64)
	case ast.FloatValue:
		_, err = strconv.ParseFloat(value.Raw, 64)
	}
	if err != nil {
		s.refuse(badRequest("A number in the document is too large. Send it in a variable."))
	}
	for _, inner := range value.Children {
		s.literal(inner.Value)
	}
}

func (s *survey) refuse(err *gqlerror.Error) {
	if s.refused == nil {
		s.refused = err
	}
}

func isIntrospection(field *ast.Field) bool { return strings.HasPrefix(field.Name, "__") }

func badRequest(format string, args ...any) *gqlerror.Error {
	return refusal(codeBadRequest, format, args...)
}

func tooComplex(format string, args ...any) *gqlerror.Error {
	return refusal(codeTooComplex, format, args...)
}

func refusal(code, format string, args ...any) *gqlerror.Error {
	err := gqlerror.Errorf(format, args...)
	err.Extensions = map[string]any{"code": code}
	return err
}
